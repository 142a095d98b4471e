"""Resource ids, which are valid in paths wherever names are, and names that are not ASCII."""

from azure.cosmos import PartitionKey

from sdk import body, connect, EndpointTest, random_name


class ResourceIds(EndpointTest):
    def test_a_database_and_a_container_can_be_addressed_by_resource_id(self):
        container = self.filled_container(3, keys=1)
        database_rid, container_rid = self.database.read()["_rid"], container.read()["_rid"]
        client, _ = connect()
        by_rid = client.get_database_client(database_rid).get_container_client(container_rid)
        self.assertEqual(by_rid.read()["id"], container.id)

    def test_names_and_resource_ids_can_be_mixed_in_one_address(self):
        container = self.filled_container(1)
        database_rid, container_rid = self.database.read()["_rid"], container.read()["_rid"]
        client, _ = connect()
        for database, name in ((self.database.id, container_rid), (database_rid, container.id)):
            with self.subTest(database=database, container=name):
                mixed = client.get_database_client(database).get_container_client(name)
                self.assertEqual(mixed.read()["id"], container.id)
                self.assertEqual(mixed.read_item("item-0000", "key-0")["number"], 0)

    def test_the_resource_ids_of_an_item_begin_with_those_of_its_container(self):
        import base64

        container = self.container()
        item = container.create_item({"id": "1", "pk": "a"})
        database, parent, own = (
            base64.b64decode(rid.replace("-", "/")) for rid in (self.database.read()["_rid"], container.read()["_rid"], item["_rid"])
        )
        self.assertEqual((len(database), len(parent), len(own)), (4, 8, 16))
        self.assertTrue(own.startswith(parent) and parent.startswith(database))

    def test_an_item_can_be_replaced_and_deleted_by_its_self_link(self):
        container = self.container()
        created = container.create_item({"id": "1", "pk": "a"})
        self.assertTrue(created["_self"].startswith("dbs/"), created["_self"])
        container.replace_item(created, {"id": "1", "pk": "a", "number": 2})
        self.assertEqual(body(container.read_item(created, "a")), {"id": "1", "pk": "a", "number": 2})
        container.delete_item(created, "a")
        self.assert_rejected(404, container.read_item, "1", "a")

    def test_names_of_databases_and_containers_may_be_non_ascii(self):
        database = self.client.create_database(random_name("Zürich 東京"))
        self.addCleanup(self.client.delete_database, database)
        container = database.create_container("Ζεύς & co", PartitionKey(path="/ключ"))
        container.create_item({"id": "1", "ключ": "東京", "😀": "Zürich"})
        self.assertEqual(body(container.read_item("1", "東京")), {"id": "1", "ключ": "東京", "😀": "Zürich"})
        self.assertEqual(self.query(container, "SELECT VALUE c['😀'] FROM c WHERE c['ключ'] = \"東京\""), ["Zürich"])
