"""Queries: parameters, order, pages, aggregates, projections."""

from sdk import EndpointTest, ids, since


class Queries(EndpointTest):
    def test_parameters_accept_values_of_every_kind(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "text": "O'Hara \"x\" \\ 東京", "number": 1.5, "flag": True})
        container.create_item({"id": "2", "pk": "b", "text": "other", "number": 2, "flag": None, "tags": ["a", "b"]})

        def found(condition, value):
            return ids(self.query(container, f"SELECT * FROM c WHERE {condition}", {"@value": value}))

        self.assertEqual(found("c.text = @value", "O'Hara \"x\" \\ 東京"), ["1"])
        self.assertEqual(found("c.text = @value", "x' OR true"), [])
        self.assertEqual(found("c.number >= @value", 1.75), ["2"])
        self.assertEqual(found("c.number = @value", 1.5), ["1"])
        self.assertEqual(found("c.flag = @value", True), ["1"])
        self.assertEqual(found("c.flag = @value", None), ["2"])
        self.assertEqual(found("ARRAY_CONTAINS(@value, c.id)", ["1", "2", "3"]), ["1", "2"])
        self.assertEqual(found("CONTAINS(c.text, @value)", "Hara"), ["1"])
        self.assertEqual(found("ARRAY_CONTAINS(c.tags, @value)", "b"), ["2"])
        self.assertEqual(found("IS_DEFINED(c.tags) AND c.id != @value", "1"), ["2"])

    def test_a_query_of_one_partition_returns_only_that_partition(self):
        container = self.filled_container(30, keys=3)
        found = self.query(container, "SELECT * FROM c", partition_key="key-1")
        self.assertEqual(len(found), 10)
        self.assertEqual({item["pk"] for item in found}, {"key-1"})

    def test_order_by_sorts_across_partitions(self):
        container = self.container()
        for number in range(60):
            container.create_item({"id": f"{number:02}", "pk": f"key-{number % 11}", "number": number * 7 % 60})
        for direction, expected in (("ASC", list(range(60))), ("DESC", list(range(59, -1, -1)))):
            found = self.query(container, f"SELECT * FROM c ORDER BY c.number {direction}", max_item_count=7)
            self.assertEqual([item["number"] for item in found], expected)

    @since("4.1.0", "ignores the continuation of a query")
    def test_paging_with_continuations_returns_every_document_once(self):
        container = self.filled_container(75)
        continuation, found, pages = None, [], 0
        while True:
            pager = container.query_items(
                "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=10
            ).by_page(continuation)
            page = list(next(pager, []))
            self.assertLessEqual(len(page), 10)
            found += page
            pages += 1
            continuation = pager.continuation_token
            if not continuation or not page:
                break
        self.assertGreaterEqual(pages, 8)
        self.assertEqual(ids(found), [f"item-{number:04}" for number in range(75)])

    @since("4.1.0", "ignores the continuation of a query")
    def test_paging_within_one_partition_resumes_from_a_continuation(self):
        container = self.filled_container(25, keys=1)
        query = {"query": "SELECT * FROM c", "partition_key": "key-0", "max_item_count": 10}
        first = container.query_items(**query).by_page()
        start = list(next(first))
        rest = [list(page) for page in container.query_items(**query).by_page(first.continuation_token)]
        self.assertEqual([len(start)] + [len(page) for page in rest], [10, 10, 5])
        self.assertEqual(ids(start + sum(rest, [])), [f"item-{number:04}" for number in range(25)])

    def test_aggregates_cover_every_partition(self):
        container = self.filled_container(50)
        for expression, expected in (
            ("COUNT(1)", 50),
            ("SUM(c.number)", 1225),
            ("MIN(c.number)", 0),
            ("MAX(c.number)", 49),
            ("AVG(c.number)", 24.5),
        ):
            with self.subTest(expression):
                self.assertEqual(self.query(container, f"SELECT VALUE {expression} FROM c"), [expected])
        count = "SELECT VALUE COUNT(1) FROM c WHERE c.number < @below"
        self.assertEqual(self.query(container, count, {"@below": 20}), [20])
        self.assertEqual(self.query(container, count, {"@below": 20}, partition_key="key-3"), [2])

    def test_offset_and_limit_select_a_range_of_the_sorted_documents(self):
        container = self.filled_container(40)
        window = self.query(container, "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 15 LIMIT 10")
        self.assertEqual(window, list(range(15, 25)))
        self.assertEqual(self.query(container, "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 99 LIMIT 10"), [])

    def test_projections_return_the_selected_values(self):
        container = self.filled_container(6, keys=3)
        keys = self.query(container, "SELECT DISTINCT VALUE c.pk FROM c")
        self.assertEqual(sorted(keys), ["key-0", "key-1", "key-2"])
        top = self.query(container, "SELECT TOP 2 c.id, c.number AS n FROM c ORDER BY c.number DESC")
        self.assertEqual(top, [{"id": "item-0005", "n": 5}, {"id": "item-0004", "n": 4}])

    @since("4.14.0", "cannot query a feed range")
    def test_a_query_of_one_feed_range_returns_only_that_range(self):
        container = self.filled_container(40)
        ranges = list(container.read_feed_ranges())
        found = [self.query(container, "SELECT * FROM c", feed_range=each) for each in ranges]
        self.assertEqual(ids(sum(found, [])), [f"item-{number:04}" for number in range(40)])
