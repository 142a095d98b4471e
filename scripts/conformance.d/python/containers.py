"""Containers: create, read, list, delete."""

from azure.cosmos import PartitionKey

from sdk import EndpointTest, connect, random_name


class Containers(EndpointTest):
    def test_a_created_container_can_be_read_and_listed(self):
        container = self.container("/deep/key", default_ttl=3600)
        properties = container.read()
        self.assertEqual(properties["id"], container.id)
        self.assertEqual(properties["partitionKey"]["paths"], ["/deep/key"])
        self.assertEqual(properties["defaultTtl"], 3600)
        self.assertIn(container.id, [each["id"] for each in self.database.list_containers()])

    def test_a_second_create_is_rejected_with_409(self):
        container = self.container()
        self.assert_rejected(409, self.database.create_container, container.id, PartitionKey(path="/pk"))

    def test_a_missing_container_returns_404(self):
        missing = self.database.get_container_client(random_name("missing"))
        self.assert_rejected(404, missing.read)
        self.assert_rejected(404, self.database.delete_container, missing)
        self.assert_rejected(404, missing.create_item, {"id": "1", "pk": "a"})

    def test_a_container_created_again_under_the_same_name_is_empty(self):
        container = self.filled_container(5)
        self.database.delete_container(container)
        self.assert_rejected(404, container.read)
        recreated = self.database.create_container(container.id, PartitionKey(path="/pk"))
        # The client that knew the deleted container still sends the session of that one.
        recreated = connect()[0].get_database_client(self.database.id).get_container_client(recreated.id)
        self.assertEqual(self.query(recreated, "SELECT * FROM c"), [])
        self.assertEqual(self.changed(recreated, start_time="Beginning"), [])
