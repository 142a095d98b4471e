"""Unique keys, which hold within one partition key."""

from azure.cosmos import exceptions

from sdk import EndpointTest, since


class UniqueKeys(EndpointTest):
    def unique_container(self, *paths):
        return self.container(unique_key_policy={"uniqueKeys": [{"paths": list(paths)}]})

    def test_the_policy_is_stored(self):
        container = self.unique_container("/mail", "/deep/name")
        self.assertEqual(container.read()["uniqueKeyPolicy"]["uniqueKeys"][0]["paths"], ["/mail", "/deep/name"])

    def test_a_second_document_of_the_same_value_is_rejected_with_409(self):
        container = self.unique_container("/mail")
        container.create_item({"id": "1", "pk": "a", "mail": "x@example.com"})
        same = {"id": "2", "pk": "a", "mail": "x@example.com"}
        self.assertIsInstance(self.assert_rejected(409, container.create_item, same), exceptions.CosmosResourceExistsError)
        self.assert_rejected(409, container.upsert_item, same)
        container.create_item({"id": "3", "pk": "a", "mail": "y@example.com"})

    def test_the_same_value_is_allowed_under_another_partition_key(self):
        container = self.unique_container("/mail")
        container.create_item({"id": "1", "pk": "a", "mail": "x@example.com"})
        container.create_item({"id": "2", "pk": "b", "mail": "x@example.com"})

    def test_all_paths_of_a_key_together_must_be_unique(self):
        container = self.unique_container("/first", "/last")
        container.create_item({"id": "1", "pk": "a", "first": "Ada", "last": "X"})
        container.create_item({"id": "2", "pk": "a", "first": "Ada", "last": "Y"})
        self.assert_rejected(409, container.create_item, {"id": "3", "pk": "a", "first": "Ada", "last": "Y"})

    def test_one_document_of_a_partition_key_may_lack_the_value(self):
        container = self.unique_container("/mail")
        container.create_item({"id": "1", "pk": "a"})
        self.assert_rejected(409, container.create_item, {"id": "2", "pk": "a"})

    def test_a_replace_into_a_conflict_is_rejected_and_a_delete_frees_the_value(self):
        container = self.unique_container("/mail")
        container.create_item({"id": "1", "pk": "a", "mail": "x"})
        container.create_item({"id": "2", "pk": "a", "mail": "y"})
        self.assert_rejected(409, container.replace_item, "2", {"id": "2", "pk": "a", "mail": "x"})
        container.replace_item("2", {"id": "2", "pk": "a", "mail": "y", "again": True})
        container.delete_item("1", "a")
        container.replace_item("2", {"id": "2", "pk": "a", "mail": "x"})

    @since("4.5.0", "has no patch_item")
    def test_a_patch_into_a_conflict_is_rejected_with_409(self):
        container = self.unique_container("/mail")
        container.create_item({"id": "1", "pk": "a", "mail": "x"})
        container.create_item({"id": "2", "pk": "a", "mail": "y"})
        self.assert_rejected(409, container.patch_item, "2", "a", [{"op": "set", "path": "/mail", "value": "x"}])
