"""Pages of queries, each resumed from the continuation of the page before, over four physical partitions."""

from sdk import EndpointTest, FOUR_PARTITIONS, ids, since


class Continuations(EndpointTest):
    def partitioned_container(self, count):
        return self.filled_container(count, keys=17, offer_throughput=FOUR_PARTITIONS)

    @since("4.1.0", "ignores the continuation of a query")
    def test_pages_of_all_documents_are_complete(self):
        container = self.partitioned_container(60)
        pages = self.resumed_pages(container, "SELECT * FROM c", 7)
        self.assertLessEqual(max(len(page) for page in pages), 7)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number:04}" for number in range(60)])

    @since("4.1.0", "ignores the continuation of a query")
    def test_pages_of_a_filter_are_complete(self):
        pages = self.resumed_pages(self.partitioned_container(60), "SELECT VALUE c.number FROM c WHERE c.number % 3 = 0", 4)
        self.assertEqual(sorted(sum(pages, [])), list(range(0, 60, 3)))

    @since("4.1.0", "ignores the continuation of a query")
    def test_pages_of_an_order_within_one_partition_continue_the_order(self):
        container = self.filled_container(30, keys=1)
        query = "SELECT VALUE c.number FROM c ORDER BY c.number DESC"
        pages = self.resumed_pages(container, query, 7, partition_key="key-0")
        self.assertEqual(sum(pages, []), list(range(29, -1, -1)))

    @since("4.1.0", "ignores the continuation of a query")
    def test_pages_of_non_ascii_values_continue_the_order(self):
        container = self.container()
        words = ["Zürich", "Ζεύς", "東京", "東西", "😀", "éa"]
        for number, word in enumerate(words):
            container.create_item({"id": str(number), "pk": "ключ", "word": word})
        pages = self.resumed_pages(container, "SELECT VALUE c.word FROM c ORDER BY c.word", 1, partition_key="ключ")
        self.assertEqual(sum(pages, []), sorted(words))

    def test_an_order_over_several_partitions_is_complete_in_pages(self):
        container = self.partitioned_container(60)
        query = "SELECT VALUE c.number FROM c ORDER BY c.number"
        pages = self.pages(container.query_items(query, enable_cross_partition_query=True, max_item_count=7))
        self.assertEqual(sum(pages, []), list(range(60)))

    def test_distinct_rows_over_several_partitions_are_complete_in_pages(self):
        container = self.partitioned_container(60)
        query = "SELECT DISTINCT VALUE c.pk FROM c"
        pages = self.pages(container.query_items(query, enable_cross_partition_query=True, max_item_count=3))
        self.assertEqual(sorted(sum(pages, [])), sorted(f"key-{number}" for number in range(17)))

    def test_a_window_over_several_partitions_is_complete_in_pages(self):
        container = self.partitioned_container(60)
        query = "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 20 LIMIT 25"
        pages = self.pages(container.query_items(query, enable_cross_partition_query=True, max_item_count=4))
        self.assertEqual(sum(pages, []), list(range(20, 45)))
