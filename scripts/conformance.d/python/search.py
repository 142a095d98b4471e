"""Full-text search, vector search, and hybrid search, which the SDK computes by the plan of the query."""

from sdk import FOUR_PARTITIONS, EndpointTest, ids, since

TEXTS = {
    "long": "a guide to swimming in cold lakes, wide rivers and warm seas",
    "twice": "swim, swim in cold lakes",
    "short": "swimming",
    "other": "running",
}
VECTORS = {"long": [0, 1], "twice": [-1, 0], "short": [3, 4], "other": [1, 0]}


class Search(EndpointTest):
    def library(self, **options):
        container = self.container(offer_throughput=FOUR_PARTITIONS, **options)
        for name, text in TEXTS.items():
            container.create_item({"id": name, "pk": name, "text": text, "v": VECTORS[name]})
        container.create_item({"id": "none", "pk": "none"})
        return container

    def ranked(self, container, query, parameters=()):
        return [item["id"] for item in self.query(container, query, parameters)]

    def test_a_filter_finds_words_and_phrases(self):
        container = self.library()
        for condition, expected in (
            ("FullTextContains(c.text, 'Swim')", ["long", "short", "twice"]),
            ("FullTextContains(c.text, 'cold lake')", ["long", "twice"]),
            ("FullTextContainsAll(c.text, 'swim', 'river')", ["long"]),
            ("FullTextContainsAny(c.text, 'run', 'river')", ["long", "other"]),
        ):
            with self.subTest(condition):
                self.assertEqual(ids(self.query(container, f"SELECT c.id FROM c WHERE {condition}")), expected)

    @since("4.9.0", "does not know ORDER BY RANK")
    def test_full_text_search_ranks_across_partitions(self):
        container = self.library()
        query = "SELECT TOP 3 c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim')"
        self.assertEqual(self.ranked(container, query), ["short", "twice", "long"])
        query = "SELECT c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim') OFFSET 1 LIMIT 1"
        self.assertEqual(self.ranked(container, query), ["twice"])

    @since("4.14.0", "sends no parameters with the texts of a ranked query")
    def test_hybrid_search_fuses_texts_and_vectors(self):
        container = self.library()
        scores = "FullTextScore(c.text, 'swim'), VectorDistance(c.v, @vector)"
        vector = {"@vector": [1, 0]}
        query = f"SELECT TOP 2 c.id FROM c ORDER BY RANK RRF({scores})"
        self.assertEqual(self.ranked(container, query, vector), ["short", "other"])
        query = f"SELECT TOP 1 c.id FROM c ORDER BY RANK RRF({scores}, [1, 10])"
        self.assertEqual(self.ranked(container, query, vector), ["other"])

    @since("4.9.0", "has no vector policies")
    def test_the_vector_policy_decides_about_the_order(self):
        for function, expected in (("euclidean", ["other", "long", "twice", "short"]), ("dotproduct", ["short", "other", "long", "twice"])):
            with self.subTest(function):
                vector = {"path": "/v", "dataType": "float32", "distanceFunction": function, "dimensions": 2}
                container = self.library(vector_embedding_policy={"vectorEmbeddings": [vector]})
                query = "SELECT TOP 4 c.id FROM c WHERE IS_DEFINED(c.v) ORDER BY VectorDistance(c.v, [1, 0])"
                self.assertEqual(self.ranked(container, query), expected)

    def test_a_score_is_allowed_in_order_by_rank_only(self):
        container = self.library()
        for query in (
            "SELECT FullTextScore(c.text, 'swim') FROM c",
            "SELECT TOP 1 c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim') DESC",
            "SELECT c.id FROM c ORDER BY LOWER(c.text)",
        ):
            with self.subTest(query):
                self.assert_rejected(400, self.query, container, query)
