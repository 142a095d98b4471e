"""Hierarchical partition keys and their prefixes."""

from azure.cosmos import PartitionKey

from sdk import EndpointTest, random_name, since


@since("4.6.0", "has no hierarchical keys")
class HierarchicalKeys(EndpointTest):
    def tenants(self):
        path = ["/tenant", "/user"]
        key = PartitionKey(path=path, kind="MultiHash")
        container = self.database.create_container(random_name("container"), key)
        for tenant in ("acme", "umbrella", "initech"):
            for user in range(4):
                for name in ("first", "second"):
                    container.create_item({"id": name, "tenant": tenant, "user": f"user-{user}"})
        return container

    def test_the_definition_is_stored(self):
        definition = self.tenants().read()["partitionKey"]
        self.assertEqual((definition["kind"], definition["paths"]), ("MultiHash", ["/tenant", "/user"]))

    def test_a_point_read_needs_the_whole_key(self):
        container = self.tenants()
        item = container.read_item("first", ["acme", "user-2"])
        self.assertEqual((item["tenant"], item["user"]), ("acme", "user-2"))
        self.assert_rejected(404, container.read_item, "first", ["acme", "user-9"])
        container.delete_item("first", ["acme", "user-2"])
        self.assert_rejected(404, container.read_item, "first", ["acme", "user-2"])
        self.assertEqual(container.read_item("first", ["umbrella", "user-2"])["tenant"], "umbrella")

    def test_a_filter_of_the_first_level_returns_everything_below_it(self):
        found = self.query(self.tenants(), 'SELECT * FROM c WHERE c.tenant = "acme"')
        self.assertEqual([item["tenant"] for item in found], ["acme"] * 8)

    def test_a_query_of_a_prefix_returns_everything_below_it(self):
        container = self.tenants()
        found = self.query(container, "SELECT * FROM c", partition_key=["acme"])
        self.assertEqual([item["tenant"] for item in found], ["acme"] * 8)
        found = self.query(container, "SELECT * FROM c", partition_key=["acme", "user-1"])
        self.assertEqual([(item["tenant"], item["user"]) for item in found], [("acme", "user-1")] * 2)

    @since("4.14.0", "reads no changes of a hierarchical key")
    def test_the_change_feed_of_a_key_or_a_prefix_returns_the_changes_below_it(self):
        container = self.tenants()
        whole = self.changed(container, start_time="Beginning", partition_key=["initech", "user-3"])
        self.assertEqual([(item["tenant"], item["user"]) for item in whole], [("initech", "user-3")] * 2)
        prefix = self.changed(container, start_time="Beginning", partition_key=["initech"])
        self.assertEqual([item["tenant"] for item in prefix], ["initech"] * 8)
