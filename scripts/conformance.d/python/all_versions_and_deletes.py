"""The change feed in the mode AllVersionsAndDeletes."""

from azure.cosmos import exceptions

from sdk import body, EndpointTest, since


@since("4.14.0", "has no mode AllVersionsAndDeletes")
class AllVersionsAndDeletes(EndpointTest):
    MODE = {"mode": "AllVersionsAndDeletes"}

    def test_every_version_and_every_delete_is_returned_in_order(self):
        container = self.container()
        _, continuation = self.changes(container, start_time="Now", **self.MODE)
        container.create_item({"id": "1", "pk": "a", "number": 1})
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        container.replace_item("1", {"id": "1", "pk": "a", "number": 3})
        container.delete_item("1", "a")
        changes = self.changed(container, continuation=continuation)
        found = [(each["metadata"]["operationType"], each.get("current", {}).get("number")) for each in changes]
        self.assertEqual(found, [("create", 1), ("replace", 2), ("replace", 3), ("delete", None)])
        self.assertTrue(all(isinstance(each["metadata"]["lsn"], int) for each in changes))

    def test_the_mode_cannot_start_from_the_beginning(self):
        container = self.filled_container(1)
        with self.assertRaises((ValueError, exceptions.CosmosHttpResponseError)) as raised:
            self.changed(container, start_time="Beginning", **self.MODE)
        self.assertEqual(getattr(raised.exception, "status_code", 400), 400)

    def test_a_delete_carries_the_document_where_the_container_keeps_versions(self):
        container = self.container(change_feed_policy={"retentionDuration": 10})
        _, continuation = self.changes(container, start_time="Now", **self.MODE)
        container.create_item({"id": "1", "pk": "a", "number": 1})
        container.delete_item("1", "a")
        delete = self.changed(container, continuation=continuation)[-1]
        self.assertEqual(delete["metadata"]["operationType"], "delete")
        self.assertEqual(body(delete["previous"]), {"id": "1", "pk": "a", "number": 1})

    def test_an_expired_document_is_a_delete_that_says_so(self):
        container = self.container(default_ttl=-1)
        _, continuation = self.changes(container, start_time="Now", **self.MODE)
        container.create_item({"id": "1", "pk": "a", "ttl": 1})
        self.wait_for(lambda: len(self.changed(container, continuation=continuation)) == 2)
        delete = self.changed(container, continuation=continuation)[-1]
        self.assertEqual((delete["metadata"]["operationType"], delete["metadata"]["timeToLiveExpired"]), ("delete", True))

    def test_changes_have_the_time_of_their_commit(self):
        container = self.container()
        _, continuation = self.changes(container, start_time="Now", **self.MODE)
        item = container.create_item({"id": "1", "pk": "a"})
        (change,) = self.changed(container, continuation=continuation)
        self.assertLessEqual(abs(change["metadata"]["crts"] - item["_ts"]), 1)
