"""Definitions of containers: what is stored, what can be replaced, what is refused."""

from azure.cosmos import PartitionKey
from azure.cosmos.partition_key import NonePartitionKeyValue

from sdk import body, EndpointTest, random_name, since


class Definitions(EndpointTest):
    def test_a_default_indexing_policy_covers_every_path(self):
        policy = self.container().read()["indexingPolicy"]
        self.assertEqual((policy["indexingMode"], policy["automatic"]), ("consistent", True))
        self.assertEqual([each["path"] for each in policy["includedPaths"]], ["/*"])
        self.assertIn('/"_etag"/?', [each["path"] for each in policy["excludedPaths"]])

    def test_an_indexing_policy_is_stored(self):
        composite = [[{"path": "/x", "order": "ascending"}, {"path": "/y", "order": "descending"}]]
        policy = {
            "indexingMode": "consistent",
            "includedPaths": [{"path": "/x/?"}, {"path": "/y/?"}],
            "excludedPaths": [{"path": "/*"}],
            "compositeIndexes": composite,
        }
        stored = self.container(indexing_policy=policy).read()["indexingPolicy"]
        self.assertEqual(stored["compositeIndexes"], composite)
        self.assertEqual([each["path"] for each in stored["includedPaths"]], ["/x/?", "/y/?"])

    def test_a_time_to_live_can_be_replaced(self):
        container = self.container(default_ttl=100)
        self.database.replace_container(container, PartitionKey(path="/pk"), default_ttl=200)
        self.assertEqual(container.read()["defaultTtl"], 200)

    def test_a_new_partition_key_is_rejected_with_400(self):
        container = self.container()
        self.assert_rejected(400, self.database.replace_container, container, PartitionKey(path="/other"))

    def test_a_time_to_live_of_zero_is_rejected_with_400(self):
        self.assert_rejected(400, self.container, default_ttl=0)

    def test_a_time_to_live_below_minus_one_is_rejected_with_400(self):
        self.assert_rejected(400, self.container, default_ttl=-2)

    def test_a_key_path_without_a_slash_is_rejected_with_400(self):
        self.assert_rejected(400, self.container, path="pk")

    @since("4.6.0", "has no hierarchical keys")
    def test_four_levels_of_a_key_are_rejected_with_400(self):
        key = PartitionKey(path=["/a", "/b", "/c", "/d"], kind="MultiHash")
        self.assert_rejected(400, self.database.create_container, random_name("container"), key)

    def test_an_empty_id_is_rejected(self):
        with self.assertRaises(Exception) as raised:
            self.database.create_container("", PartitionKey(path="/pk"))
        self.assertEqual(getattr(raised.exception, "status_code", 400), 400)

    def test_an_id_of_256_characters_is_rejected_with_400(self):
        self.assert_rejected(400, self.database.create_container, "x" * 256, PartitionKey(path="/pk"))

    def test_a_key_value_over_2048_bytes_is_rejected_with_400(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "x" * 2048})
        self.assert_rejected(400, container.create_item, {"id": "2", "pk": "x" * 2049})

    def test_a_key_that_is_an_object_or_an_array_is_rejected_with_400(self):
        container = self.container()
        for key in ({"x": 1}, [1]):
            with self.subTest(key), self.assertRaises(Exception) as raised:
                container.create_item({"id": "1", "pk": key})
            self.assertEqual(getattr(raised.exception, "status_code", 400), 400)

    def test_a_key_path_through_a_number_is_a_missing_key(self):
        container = self.container("/deep/key")
        container.create_item({"id": "1", "deep": 5})
        self.assertEqual(body(container.read_item("1", NonePartitionKeyValue)), {"id": "1", "deep": 5})

    def test_order_by_two_properties_without_a_composite_index_is_rejected_with_400(self):
        container = self.filled_container(3)
        self.assert_rejected(400, self.query, container, "SELECT * FROM c ORDER BY c.pk, c.number", partition_key="key-0")

    def test_order_by_an_excluded_path_is_rejected_with_400(self):
        policy = {"includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": "/number/?"}]}
        container = self.filled_container(3, indexing_policy=policy)
        self.assert_rejected(400, self.query, container, "SELECT * FROM c ORDER BY c.number", partition_key="key-0")

    def test_order_by_two_properties_with_a_composite_index_sorts_by_both(self):
        composite = [[{"path": "/pk", "order": "ascending"}, {"path": "/number", "order": "descending"}]]
        container = self.filled_container(6, keys=2, indexing_policy={"compositeIndexes": composite})
        query = "SELECT VALUE c.number FROM c ORDER BY c.pk ASC, c.number DESC"
        self.assertEqual(self.query(container, query), [4, 2, 0, 5, 3, 1])

    @since("4.9.0", "has no computed properties")
    def test_a_computed_property_can_be_queried_and_is_not_stored(self):
        computed = [{"name": "lower", "query": "SELECT VALUE LOWER(c.name) FROM c"}]
        container = self.container(computed_properties=computed)
        container.create_item({"id": "1", "pk": "a", "name": "ABC"})
        self.assertEqual(self.query(container, "SELECT VALUE c.lower FROM c WHERE c.lower = 'abc'"), ["abc"])
        self.assertNotIn("lower", container.read_item("1", "a"))
