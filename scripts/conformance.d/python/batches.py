"""Transactional batches."""

from azure.cosmos import exceptions

from sdk import EndpointTest, ids, since


@since("4.7.0", "has no batches")
class Batches(EndpointTest):
    def test_all_operations_of_a_batch_are_applied(self):
        container = self.container()
        for name in ("replaced", "deleted", "read"):
            container.create_item({"id": name, "pk": "a", "number": 1})
        results = container.execute_item_batch(
            [
                ("create", ({"id": "created", "pk": "a"},)),
                ("upsert", ({"id": "upserted", "pk": "a"},)),
                ("replace", ("replaced", {"id": "replaced", "pk": "a", "number": 2})),
                ("read", ("read",)),
                ("delete", ("deleted",)),
            ],
            partition_key="a",
        )
        self.assertEqual([result["statusCode"] for result in results], [201, 201, 200, 200, 204])
        self.assertEqual(results[3]["resourceBody"]["number"], 1)
        self.assertEqual(ids(self.query(container, "SELECT * FROM c")), ["created", "read", "replaced", "upserted"])
        self.assertEqual(container.read_item("replaced", "a")["number"], 2)

    def test_a_batch_with_one_failing_operation_changes_nothing(self):
        container = self.container()
        container.create_item({"id": "existing", "pk": "a", "number": 1})
        with self.assertRaises(exceptions.CosmosBatchOperationError) as raised:
            container.execute_item_batch(
                [
                    ("create", ({"id": "before", "pk": "a"},)),
                    ("create", ({"id": "existing", "pk": "a", "number": 2},)),
                    ("upsert", ({"id": "after", "pk": "a"},)),
                ],
                partition_key="a",
            )
        error = raised.exception
        self.assertEqual((error.status_code, error.error_index), (409, 1))
        self.assertEqual([each["statusCode"] for each in error.operation_responses], [424, 409, 424])
        self.assertEqual(ids(self.query(container, "SELECT * FROM c")), ["existing"])
        self.assertEqual(container.read_item("existing", "a")["number"], 1)

    def test_a_stale_etag_fails_the_batch_with_412(self):
        container = self.container()
        stale = container.create_item({"id": "1", "pk": "a"})["_etag"]
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        with self.assertRaises(exceptions.CosmosBatchOperationError) as raised:
            container.execute_item_batch(
                [
                    ("create", ({"id": "2", "pk": "a"},)),
                    ("replace", ("1", {"id": "1", "pk": "a", "number": 3}), {"if_match_etag": stale}),
                ],
                partition_key="a",
            )
        self.assertEqual([each["statusCode"] for each in raised.exception.operation_responses], [424, 412])
        self.assert_rejected(404, container.read_item, "2", "a")

    def test_a_batch_of_more_than_a_hundred_operations_is_rejected_with_400(self):
        container = self.container()
        operations = [("create", ({"id": str(number), "pk": "a"},)) for number in range(101)]
        self.assert_rejected(400, container.execute_item_batch, operations, partition_key="a")
        self.assertEqual(self.query(container, "SELECT * FROM c"), [])

    def test_the_items_of_one_batch_share_a_log_sequence_number(self):
        container = self.container()
        container.create_item({"id": "before", "pk": "a"})
        container.execute_item_batch(
            [("create", ({"id": f"batch-{number}", "pk": "a"},)) for number in range(10)], partition_key="a"
        )
        container.create_item({"id": "after", "pk": "a"})
        changes = self.changed(container, start_time="Beginning", partition_key="a")
        sequence = {item["id"]: item["_lsn"] for item in changes}
        batch = {sequence[f"batch-{number}"] for number in range(10)}
        self.assertEqual(len(batch), 1)
        self.assertLess(sequence["before"], min(batch))
        self.assertLess(max(batch), sequence["after"])
