"""Items: create, read, upsert, replace, delete, and the values that they hold."""

import time

from azure.cosmos import exceptions

from sdk import body, EndpointTest, SYSTEM_PROPERTIES


class Items(EndpointTest):
    def test_a_created_item_is_read_back_with_its_system_properties(self):
        container = self.container()
        item = {"id": "1", "pk": "a", "name": "Davidson"}
        created = container.create_item(item)
        self.assertEqual(self.responses[-1].status, 201)
        self.assertLessEqual(SYSTEM_PROPERTIES, created.keys())
        self.assertLess(abs(created["_ts"] - time.time()), 60)
        read = container.read_item("1", "a")
        self.assertEqual(self.responses[-1].status, 200)
        self.assertEqual(body(read), item)
        self.assertEqual(read, created)

    def test_a_second_create_returns_409_and_changes_nothing(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "number": 1})
        error = self.assert_rejected(409, container.create_item, {"id": "1", "pk": "a", "number": 2})
        self.assertIsInstance(error, exceptions.CosmosResourceExistsError)
        self.assertEqual(container.read_item("1", "a")["number"], 1)

    def test_upsert_returns_201_for_a_create_and_200_for_a_replace(self):
        container = self.container()
        first = container.upsert_item({"id": "1", "pk": "a", "number": 1})
        self.assertEqual(self.responses[-1].status, 201)
        second = container.upsert_item({"id": "1", "pk": "a", "other": 2})
        self.assertEqual(self.responses[-1].status, 200)
        self.assertNotEqual(first["_etag"], second["_etag"])
        self.assertEqual(first["_rid"], second["_rid"])
        self.assertEqual(body(container.read_item("1", "a")), {"id": "1", "pk": "a", "other": 2})

    def test_replace_overwrites_the_whole_document(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "number": 1})
        container.replace_item("1", {"id": "1", "pk": "a", "other": 2})
        self.assertEqual(body(container.read_item("1", "a")), {"id": "1", "pk": "a", "other": 2})

    def test_a_deleted_item_returns_404(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a"})
        container.delete_item("1", "a")
        self.assertEqual(self.responses[-1].status, 204)
        self.assert_rejected(404, container.read_item, "1", "a")

    def test_a_missing_item_cannot_be_read_replaced_or_deleted(self):
        container = self.container()
        self.assert_rejected(404, container.read_item, "1", "a")
        self.assert_rejected(404, container.replace_item, "1", {"id": "1", "pk": "a"})
        self.assert_rejected(404, container.delete_item, "1", "a")

    def test_the_same_id_in_two_partitions_is_two_items(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "number": 1})
        container.create_item({"id": "1", "pk": "b", "number": 2})
        container.delete_item("1", "a")
        self.assertEqual(container.read_item("1", "b")["number"], 2)

    def test_values_of_every_kind_are_returned_unchanged(self):
        container = self.container()
        item = {
            "id": "1",
            "pk": "a",
            "unicode": "Zürich, Ελλάδα, 東京, \U0001f600, e\u0301, \u2028, \"quoted\" \\ / \b\f\n\r\t",
            "empty": {"text": "", "object": {}, "array": [], "null": None},
            "nested": {"a": {"b": [{"c": [[1, [2]], {"d": None}]}]}},
            "numbers": [0, -1, 1.5, 0.1, -273.15, 1e-7, 1.7976931348623157e308, 5e-324, 9007199254740991],
            "booleans": [True, False],
            "times": ["2020-06-23T15:33:27.8120000Z", "2020-06-23T17:33:27+02:00", "2020-06-23"],
            "names": {"with space": 1, "dot.ted": 2, "$dollar": 3, "[0]": 4, "ключ": 5, "a\"b": 6},
            "long": "x" * 100_000,
        }
        container.create_item(item)
        self.assertEqual(body(container.read_item("1", "a")), item)
        self.assertEqual([body(each) for each in self.query(container, "SELECT * FROM c")], [item])
        self.assertEqual([body(each) for each in self.changed(container, start_time="Beginning")], [item])

    def test_ids_may_contain_any_letters(self):
        container = self.container()
        names = ["naïve", "東京", "\U0001f600", "two words", "a+b", "a&b=c", "a:b@c", "(a)", "x" * 255]
        for name in names:
            container.create_item({"id": name, "pk": name})
        self.assertEqual([container.read_item(name, name)["id"] for name in names], names)
