"""The change feed in the mode LatestVersion."""

import time
from datetime import datetime, timezone

from sdk import EndpointTest, ids, since


class ChangeFeed(EndpointTest):
    def test_from_the_beginning_every_document_is_returned_once_in_its_latest_version(self):
        container = self.filled_container(20)
        for number in range(3):
            container.upsert_item({"id": "item-0004", "pk": "key-4", "number": 100 + number})
        container.delete_item("item-0005", "key-5")
        changes = self.changed(container, start_time="Beginning")
        self.assertEqual(ids(changes), [f"item-{number:04}" for number in range(20) if number != 5])
        latest = container.read_item("item-0004", "key-4")
        change = next(item for item in changes if item["id"] == "item-0004")
        self.assertEqual((change["number"], change["_etag"], change["_ts"]), (102, latest["_etag"], latest["_ts"]))

    @since("4.9.0", "always starts at the beginning")
    def test_from_now_only_later_changes_are_returned(self):
        container = self.filled_container(10)
        pages, continuation = self.changes(container, start_time="Now")
        self.assertEqual(pages, [])
        container.create_item({"id": "later", "pk": "key-1"})
        container.upsert_item({"id": "item-0002", "pk": "key-2", "number": -1})
        self.assertEqual(ids(self.changed(container, continuation=continuation)), ["item-0002", "later"])

    def test_a_continuation_returns_the_changes_since_then(self):
        container = self.filled_container(10)
        _, continuation = self.changes(container, start_time="Beginning")
        self.assertEqual(self.changed(container, continuation=continuation), [])
        for number in range(10, 15):
            container.create_item({"id": f"item-{number}", "pk": f"key-{number}"})
        pages, continuation = self.changes(container, continuation=continuation)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number}" for number in range(10, 15)])
        self.assertEqual(self.changed(container, continuation=continuation), [])

    @since("4.9.0", "has no feed ranges")
    def test_reading_can_stop_after_any_page_and_resume(self):
        container = self.filled_container(60)
        found = []
        # One range at a time, because the SDK rejects its own continuation while one of its ranges is unread.
        for feed_range in container.read_feed_ranges():
            feed = {"start_time": "Beginning", "feed_range": feed_range, "max_item_count": 4}
            pager = container.query_items_change_feed(**feed).by_page()
            first = list(next(pager, []))
            found += first
            if first:
                found += self.changed(container, continuation=pager.continuation_token, max_item_count=4)
        self.assertEqual(ids(found), [f"item-{number:04}" for number in range(60)])

    @since("4.9.0", "cannot start at a time")
    def test_from_a_time_only_changes_since_then_are_returned(self):
        container = self.filled_container(5)
        time.sleep(2.1)
        moment = datetime.now(timezone.utc)
        time.sleep(1.1)
        container.create_item({"id": "later", "pk": "key-1"})
        self.assertEqual(ids(self.changed(container, start_time=moment)), ["later"])

    def test_a_page_has_at_most_a_hundred_items_by_default(self):
        container = self.filled_container(250, keys=1)
        pages, _ = self.changes(container, start_time="Beginning")
        self.assertLessEqual(max(len(page) for page in pages), 100)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number:04}" for number in range(250)])

    def test_a_page_has_at_most_the_requested_number_of_items(self):
        container = self.filled_container(50)
        pages, _ = self.changes(container, start_time="Beginning", max_item_count=7)
        self.assertLessEqual(max(len(page) for page in pages), 7)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number:04}" for number in range(50)])

    @since("4.9.0", "has no feed ranges")
    def test_feed_ranges_divide_the_container(self):
        container = self.filled_container(60)
        ranges = list(container.read_feed_ranges())
        self.assertGreaterEqual(len(ranges), 1)
        changes = [self.changed(container, start_time="Beginning", feed_range=each) for each in ranges]
        self.assertEqual(ids(sum(changes, [])), [f"item-{number:04}" for number in range(60)])

    @since("4.9.0", "has no feed ranges")
    def test_the_feed_range_of_a_key_returns_the_changes_of_that_key(self):
        container = self.filled_container(30)
        feed_range = container.feed_range_from_partition_key("key-3")
        changes = self.changed(container, start_time="Beginning", feed_range=feed_range)
        self.assertEqual({item["pk"] for item in changes}, {"key-3"})
        self.assertEqual(ids(changes), ["item-0003", "item-0013", "item-0023"])

    @since("4.9.0", "has no feed ranges")
    def test_log_sequence_numbers_increase_within_a_feed_range(self):
        container = self.filled_container(60)
        container.upsert_item({"id": "item-0000", "pk": "key-0", "number": 100})
        for feed_range in container.read_feed_ranges():
            changes = self.changed(container, start_time="Beginning", feed_range=feed_range, max_item_count=5)
            sequence = [item["_lsn"] for item in changes]
            self.assertTrue(all(isinstance(each, int) for each in sequence))
            self.assertEqual(sequence, sorted(set(sequence)))

    def test_changes_of_one_key_are_returned_in_the_order_of_the_writes(self):
        container = self.filled_container(30, keys=3)
        container.upsert_item({"id": "item-0001", "pk": "key-1", "number": 100})
        changes = self.changed(container, start_time="Beginning", partition_key="key-1")
        self.assertEqual([item["number"] for item in changes], [4, 7, 10, 13, 16, 19, 22, 25, 28, 100])
        sequence = [item["_lsn"] for item in changes]
        self.assertEqual(sequence, sorted(set(sequence)))

    def test_a_page_names_its_number_of_items_and_its_session(self):
        container = self.filled_container(3, keys=1)
        start = len(self.responses)
        self.changes(container, start_time="Beginning")
        answers = [each for each in self.responses[start:] if "a-im" in each.asked and each.path.strip("/").endswith("docs")]
        pages = [each for each in answers if each.status == 200]
        self.assertEqual(sum(int(page.headers["x-ms-item-count"]) for page in pages), 3)
        self.assertRegex(pages[-1].headers["x-ms-session-token"], r"^[0-9]+:.+")

    def test_an_unchanged_feed_answers_304_with_an_etag(self):
        container = self.filled_container(3, keys=1)
        self.changes(container, start_time="Beginning")
        last = self.responses[-1]
        self.assertEqual((last.status, last.bytes), (304, 0))
        self.assertTrue(last.headers["etag"])

    def test_a_property_lsn_of_the_document_is_replaced_by_the_number_of_the_change(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "_lsn": "own"})
        start = len(self.responses)
        changes = self.changed(container, start_time="Beginning")
        pages = [each.text for each in self.responses[start:] if each.text.count('"_lsn"')]
        self.assertEqual([page.count('"_lsn"') for page in pages], [1])
        self.assertIsInstance(changes[0]["_lsn"], int)
        self.assertEqual(container.read_item("1", "a")["_lsn"], "own")

    def test_a_point_read_has_no_log_sequence_number(self):
        container = self.filled_container(1)
        self.assertNotIn("_lsn", container.read_item("item-0000", "key-0"))
