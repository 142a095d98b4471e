"""Partition keys of every kind of value."""

from azure.cosmos.partition_key import NonePartitionKeyValue

from sdk import body, EndpointTest, NullPartitionKeyValue, since


class PartitionKeys(EndpointTest):
    KEYS = {
        "text": "1", "empty": "", "unicode": "東京 \"x\"", "number": 1, "fraction": -1.5, "zero": 0,
        "true": True, "false": False, "null": None,
    }

    def keyed_container(self):
        """One item of the same id for each key, and for no key."""
        container = self.container()
        for kind, key in self.KEYS.items():
            container.create_item({"id": "same", "pk": key, "kind": kind})
        container.create_item({"id": "same", "kind": "none"})
        return container

    def given_keys(self):
        """The keys as the SDK takes them. Older versions cannot name null."""
        keys = {**self.KEYS, "null": NullPartitionKeyValue, "none": NonePartitionKeyValue}
        return {kind: key for kind, key in keys.items() if key is not None}

    def test_a_read_tells_keys_of_different_kinds_apart(self):
        container = self.keyed_container()
        for kind, key in self.given_keys().items():
            with self.subTest(kind):
                self.assertEqual(container.read_item("same", key)["kind"], kind)

    def test_a_query_tells_keys_of_different_kinds_apart(self):
        container = self.keyed_container()
        for kind, key in self.given_keys().items():
            with self.subTest(kind):
                self.assertEqual(self.query(container, "SELECT VALUE c.kind FROM c", partition_key=key), [kind])

    @since("4.14.0", "makes no feed range of numbers")
    def test_a_change_feed_tells_keys_of_different_kinds_apart(self):
        container = self.keyed_container()
        for kind, key in self.given_keys().items():
            with self.subTest(kind):
                # The SDK treats a partition key that is false in Python as no partition key.
                feed_range = container.feed_range_from_partition_key(key)
                changes = self.changed(container, start_time="Beginning", feed_range=feed_range)
                self.assertEqual([item["kind"] for item in changes], [kind])

    @since("4.14.0", "cannot name null as a partition key")
    def test_a_document_without_a_partition_key_is_not_under_null(self):
        container = self.container("/deep/key")
        container.create_item({"id": "1", "deep": {}})
        self.assert_rejected(404, container.read_item, "1", NullPartitionKeyValue)

    def test_a_document_without_a_partition_key_can_be_replaced_and_deleted(self):
        container = self.container("/deep/key")
        container.create_item({"id": "1", "deep": {}})
        container.upsert_item({"id": "1", "number": 2})
        self.assertEqual(body(container.read_item("1", NonePartitionKeyValue)), {"id": "1", "number": 2})
        container.delete_item("1", NonePartitionKeyValue)
        self.assertEqual(self.query(container, "SELECT * FROM c"), [])
