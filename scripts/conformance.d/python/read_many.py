"""Reading many items by id and partition key."""

from sdk import EndpointTest, FOUR_PARTITIONS, ids, since


@since("4.14.0", "has no read_items")
class ReadMany(EndpointTest):
    def large_container(self, count):
        """Items under twenty partition keys, written in batches."""
        container = self.container(offer_throughput=FOUR_PARTITIONS)
        names = [(f"item-{number:04}", f"key-{number % 20}") for number in range(count)]
        for key in sorted({key for _, key in names}):
            batch = [("create", ({"id": name, "pk": key},)) for name, own in names if own == key]
            container.execute_item_batch(batch, partition_key=key)
        return container, names

    def test_a_thousand_items_are_all_returned(self):
        container, names = self.large_container(1000)
        self.assertEqual(ids(container.read_items(names)), [name for name, _ in names])

    def test_missing_items_are_left_out(self):
        container = self.filled_container(4)
        names = [("item-0001", "key-1"), ("item-0003", "key-3"), ("item-0001", "key-2"), ("nope", "key-1")]
        self.assertEqual(ids(container.read_items(names)), ["item-0001", "item-0003"])

    def test_items_with_the_container_key_of_their_id_are_returned(self):
        container = self.container("/id")
        for name in ("a", "東京", "it's", 'say "x"'):
            container.create_item({"id": name})
        names = [(name, name) for name in ("a", "東京", "it's", 'say "x"', "missing")]
        self.assertEqual(ids(container.read_items(names)), sorted(["a", "東京", "it's", 'say "x"']))
