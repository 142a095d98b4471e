"""Databases: create, read, list, delete."""

from azure.cosmos import PartitionKey, exceptions

from sdk import EndpointTest, random_name


class Databases(EndpointTest):
    def new_database(self):
        database = self.client.create_database(random_name("database"))
        self.addCleanup(self.drop, database)
        return database

    def drop(self, database):
        try:
            self.client.delete_database(database)
        except exceptions.CosmosResourceNotFoundError:
            pass

    def test_a_created_database_can_be_read_and_listed(self):
        database = self.new_database()
        self.assertEqual(database.read()["id"], database.id)
        self.assertIn(database.id, [each["id"] for each in self.client.list_databases()])

    def test_a_second_create_is_rejected_with_409(self):
        self.assert_rejected(409, self.client.create_database, self.new_database().id)

    def test_create_if_not_exists_returns_the_existing_database(self):
        database = self.new_database()
        self.assertEqual(self.client.create_database_if_not_exists(database.id).read()["_rid"], database.read()["_rid"])

    def test_a_missing_database_returns_404(self):
        missing = self.client.get_database_client(random_name("missing"))
        self.assert_rejected(404, missing.read)
        self.assert_rejected(404, self.client.delete_database, missing)

    def test_deleting_a_database_deletes_its_containers(self):
        database = self.new_database()
        container = database.create_container("items", PartitionKey(path="/pk"))
        container.create_item({"id": "1", "pk": "a"})
        self.client.delete_database(database)
        self.assertNotIn(database.id, [each["id"] for each in self.client.list_databases()])
        self.assert_rejected(404, database.read)
        self.client.create_database(database.id)
        self.assertEqual(list(database.list_containers()), [])
