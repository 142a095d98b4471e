"""The change feed in the mode AllVersionsAndDeletes."""

from azure.cosmos import exceptions

from sdk import EndpointTest, since


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
