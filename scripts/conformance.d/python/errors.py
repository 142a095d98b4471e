"""Errors, their sub-status codes, and request charges."""

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey, exceptions

from sdk import CONNECTION_STRING, EndpointTest, random_name, Responses, since


class Errors(EndpointTest):
    def test_a_missing_item_returns_404_without_a_sub_status(self):
        error = self.assert_rejected(404, self.container().read_item, "1", "a")
        self.assertIsInstance(error, exceptions.CosmosResourceNotFoundError)
        self.assertIn(error.sub_status, (None, 0))

    def test_an_item_of_a_deleted_container_returns_404_with_sub_status_1003(self):
        container = self.filled_container(1)
        CosmosClient.from_connection_string(CONNECTION_STRING).get_database_client(self.database.id).delete_container(
            container.id
        )
        self.assertEqual(self.assert_rejected(404, container.read_item, "item-0000", "key-0").sub_status, 1003)

    def test_a_container_of_a_missing_database_returns_404_with_sub_status_1003(self):
        missing = self.client.get_database_client(random_name("missing")).get_container_client("items")
        self.assertEqual(self.assert_rejected(404, missing.read).sub_status, 1003)

    def test_an_invalid_query_returns_400(self):
        container = self.container()
        self.assert_rejected(400, self.query, container, "SELEC * FRM c")
        self.assert_rejected(400, self.query, container, "SELECT * FROM c WHERE", partition_key="a")

    @since("4.1.0", "makes an id itself")
    def test_an_item_without_an_id_returns_400(self):
        container = self.container()
        self.assert_rejected(400, container.create_item, {"pk": "a"})
        self.assert_rejected(400, container.upsert_item, {"pk": "a"})

    @since("4.7.0", "has no batches")
    def test_every_response_has_its_request_charge(self):
        responses = Responses()
        client = CosmosClient.from_connection_string(CONNECTION_STRING, raw_response_hook=responses.record)
        database = client.create_database(random_name("database"))
        self.addCleanup(client.delete_database, database)
        container = database.create_container("items", PartitionKey(path="/pk"))
        container.read()
        etag = container.create_item({"id": "1", "pk": "a"})["_etag"]
        container.upsert_item({"id": "1", "pk": "a"})
        container.replace_item("1", {"id": "1", "pk": "a"})
        container.read_item("1", "a")
        container.execute_item_batch([("create", ({"id": "2", "pk": "a"},))], partition_key="a")
        list(container.query_items("SELECT * FROM c", partition_key="a"))
        list(container.query_items_change_feed(start_time="Beginning"))
        container.delete_item("1", "a")
        self.assert_rejected(404, container.read_item, "1", "a")
        self.assert_rejected(409, container.create_item, {"id": "2", "pk": "a"})
        stale = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        self.assert_rejected(412, container.replace_item, "2", {"id": "2", "pk": "a"}, **stale)
        # Reading the account or the partition key ranges has no charge.
        charged = [response for response in responses if response.path != "/" and not response.path.strip("/").endswith("pkranges")]
        free = [(response.method, response.path, response.status) for response in charged if response.charge <= 0]
        self.assertGreater(len(charged), 12)
        self.assertEqual(free, [])
