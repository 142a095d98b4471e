"""Documents that expire."""

import time

from azure.cosmos import exceptions

from sdk import EndpointTest, ids, since

# An expired document may remain visible this long, because `_ts` is in whole seconds and polling takes time.
EXPIRY_LAG_SECONDS = 1.5


class TimeToLive(EndpointTest):
    def exists(self, container, item_id):
        """Whether the item exists. A read, a query and a count must agree."""
        try:
            container.read_item(item_id, "a")
            read = True
        except exceptions.CosmosResourceNotFoundError:
            read = False
        condition = "FROM c WHERE c.id = @id"
        queried = self.query(container, f"SELECT * {condition}", {"@id": item_id})
        counted = self.query(container, f"SELECT VALUE COUNT(1) {condition}", {"@id": item_id}, partition_key="a")
        if not read:
            self.assertEqual((ids(queried), counted), ([], [0]), "a query sees what a read does not")
        return read

    # On a busy machine any request can take seconds. So an item is too late only if a request that was sent too late still finds it, and
    # too early only if an answer that came too early does not have it.

    def timed(self, write, item):
        """Writes an item, and returns the times before and after the write."""
        before = time.monotonic()
        write(item)
        return before, time.monotonic()

    def exists_until(self, container, item_id, seconds, written):
        """Whether the item exists. It must, unless the time to live may be over."""
        found = self.exists(container, item_id)
        if not found:
            self.assertGreater(time.monotonic() - written[0], seconds - 1.1, f"{item_id} expired too early")
        return found

    def assert_expires(self, container, item_id, seconds, written):
        while True:
            age = time.monotonic() - written[1]
            if not self.exists_until(container, item_id, seconds, written):
                return
            self.assertLess(age, seconds + EXPIRY_LAG_SECONDS, f"{item_id} expired too late")
            time.sleep(0.1)

    def test_the_default_of_the_container_applies_unless_the_document_overrides_it(self):
        container = self.container(default_ttl=2)
        by_default = self.timed(container.create_item, {"id": "by default", "pk": "a"})
        longer = self.timed(container.create_item, {"id": "longer", "pk": "a", "ttl": 4})
        container.create_item({"id": "never", "pk": "a", "ttl": -1})
        self.assert_expires(container, "by default", 2, by_default)
        self.exists_until(container, "longer", 4, longer)
        self.assert_expires(container, "longer", 4, longer)
        self.assertTrue(self.exists(container, "never"))

    def test_without_a_default_only_documents_with_a_time_to_live_expire(self):
        container = self.container(default_ttl=-1)
        container.create_item({"id": "plain", "pk": "a"})
        short = self.timed(container.create_item, {"id": "short", "pk": "a", "ttl": 2})
        self.assert_expires(container, "short", 2, short)
        self.assertTrue(self.exists(container, "plain"))

    def test_a_time_to_live_has_no_effect_where_it_is_not_enabled(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "ttl": 1})
        time.sleep(2.5)
        self.assertTrue(self.exists(container, "1"))

    def test_a_time_to_live_that_is_no_positive_whole_number_is_rejected_with_400(self):
        container = self.container(default_ttl=-1)
        for ttl in (0, -2, "10", 1.5, None):
            with self.subTest(ttl):
                self.assert_rejected(400, container.create_item, {"id": "1", "pk": "a", "ttl": ttl})

    def test_a_write_restarts_the_time_to_live(self):
        container = self.container(default_ttl=3)
        container.create_item({"id": "1", "pk": "a"})
        time.sleep(2)
        written = self.timed(container.upsert_item, {"id": "1", "pk": "a", "number": 2})
        time.sleep(1.3)
        self.exists_until(container, "1", 3, written)
        self.assert_expires(container, "1", 3, written)

    def test_an_expired_document_is_not_in_the_change_feed_and_can_be_created_again(self):
        container = self.container(default_ttl=-1)
        written = self.timed(container.create_item, {"id": "1", "pk": "a", "ttl": 3})
        found = ids(self.changed(container, start_time="Beginning"))
        if time.monotonic() - written[0] < 1.9:
            self.assertEqual(found, ["1"])
        self.assert_expires(container, "1", 3, written)
        self.assertEqual(self.changed(container, start_time="Beginning"), [])
        self.assert_rejected(404, container.replace_item, "1", {"id": "1", "pk": "a"})
        self.assert_rejected(404, container.delete_item, "1", "a")
        container.create_item({"id": "1", "pk": "a", "number": 2})
        self.assertEqual(self.responses[-1].status, 201)
        self.assertEqual(container.read_item("1", "a")["number"], 2)
