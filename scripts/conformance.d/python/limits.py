"""Limits of pages, items and ids."""

from azure.cosmos import exceptions

from sdk import EndpointTest, ids, since

PAGE_BYTES = 4 * 1024 * 1024


class Limits(EndpointTest):
    def large_container(self, count, item):
        container = self.container()
        for start in range(0, count, 100):
            batch = [("create", (item(number),)) for number in range(start, min(start + 100, count))]
            container.execute_item_batch(batch, partition_key="a")
        return container

    @since("4.7.0", "has no batches")
    def test_a_page_has_at_most_a_thousand_documents(self):
        container = self.large_container(1500, lambda number: {"id": f"{number:04}", "pk": "a"})
        for pages in (
            self.pages(container.query_items("SELECT * FROM c", partition_key="a", max_item_count=5000)),
            self.pages(container.query_items_change_feed(start_time="Beginning", max_item_count=5000)),
        ):
            self.assertLessEqual(max(len(page) for page in pages), 1000)
            self.assertEqual(ids(sum(pages, [])), [f"{number:04}" for number in range(1500)])

    def test_a_page_is_at_most_four_megabytes(self):
        container = self.container()
        for number in range(20):
            container.create_item({"id": f"{number:02}", "pk": "a", "filling": "x" * 400_000})
        for query in (
            lambda: self.pages(container.query_items("SELECT * FROM c", partition_key="a", max_item_count=100)),
            lambda: self.changes(container, start_time="Beginning", max_item_count=100)[0],
        ):
            start = len(self.responses)
            pages = query()
            self.assertLessEqual(max(response.bytes for response in self.responses[start:]), PAGE_BYTES)
            self.assertEqual(ids(sum(pages, [])), [f"{number:02}" for number in range(20)])

    def test_an_item_over_two_megabytes_is_rejected_with_413(self):
        container = self.container()
        container.create_item({"id": "fits", "pk": "a", "filling": "x" * (2 * 1024 * 1024 - 2048)})
        too_large = {"id": "too large", "pk": "a", "filling": "x" * (2 * 1024 * 1024 + 1)}
        self.assert_rejected(413, container.create_item, too_large)
        self.assert_rejected(413, container.upsert_item, too_large)
        self.assert_rejected(413, container.replace_item, "fits", {**too_large, "id": "fits"})
        self.assertEqual(self.query(container, "SELECT VALUE c.id FROM c"), ["fits"])

    def test_an_id_with_a_slash_is_rejected(self):
        container = self.container()
        for item_id in ("a/b", "a\\b"):
            with self.assertRaises((ValueError, exceptions.CosmosHttpResponseError)) as raised:
                container.create_item({"id": item_id, "pk": "a"})
            self.assertEqual(getattr(raised.exception, "status_code", 400), 400)
        self.assertEqual(self.query(container, "SELECT * FROM c"), [])

    def test_an_id_over_1023_bytes_is_rejected_with_400(self):
        container = self.container()
        container.create_item({"id": "x" * 1023, "pk": "a"})
        self.assert_rejected(400, container.create_item, {"id": "x" * 1024, "pk": "a"})
