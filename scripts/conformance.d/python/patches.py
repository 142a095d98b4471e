"""Partial updates of documents."""

from azure.core import MatchConditions

from sdk import body, EndpointTest, since


@since("4.5.0", "has no patch_item")
class Patches(EndpointTest):
    def patched(self, document, *operations, **options):
        """The document, stored and patched, as a read returns it."""
        container = self.container()
        container.create_item({"id": "1", "pk": "a", **document})
        container.patch_item("1", "a", list(operations), **options)
        stored = body(container.read_item("1", "a"))
        return {name: value for name, value in stored.items() if name not in ("id", "pk")}

    def assert_patch_rejected(self, status, document, *operations, **options):
        """The patch must fail with this status and change nothing."""
        container = self.container()
        before = container.create_item({"id": "1", "pk": "a", **document})
        self.assert_rejected(status, container.patch_item, "1", "a", list(operations), **options)
        self.assertEqual(container.read_item("1", "a"), before)

    def test_add_creates_or_replaces_a_property(self):
        add = [{"op": "add", "path": "/new", "value": {"x": 1}}, {"op": "add", "path": "/old", "value": 2}]
        self.assertEqual(self.patched({"old": 1}, *add), {"new": {"x": 1}, "old": 2})

    def test_add_inserts_into_an_array_or_appends(self):
        add = [{"op": "add", "path": "/list/1", "value": "x"}, {"op": "add", "path": "/list/-", "value": "end"}]
        self.assertEqual(self.patched({"list": ["a", "b"]}, *add), {"list": ["a", "x", "b", "end"]})

    def test_set_creates_or_replaces_and_overwrites_an_element(self):
        changes = [
            {"op": "set", "path": "/new", "value": None},
            {"op": "set", "path": "/deep/x", "value": 2},
            {"op": "set", "path": "/list/0", "value": "x"},
        ]
        expected = {"new": None, "deep": {"x": 2}, "list": ["x", "b"]}
        self.assertEqual(self.patched({"deep": {"x": 1}, "list": ["a", "b"]}, *changes), expected)

    def test_replace_changes_an_existing_property(self):
        self.assertEqual(self.patched({"x": 1}, {"op": "replace", "path": "/x", "value": [2]}), {"x": [2]})

    def test_remove_deletes_a_property_or_an_element(self):
        remove = [{"op": "remove", "path": "/x"}, {"op": "remove", "path": "/list/0"}]
        self.assertEqual(self.patched({"x": 1, "list": ["a", "b"]}, *remove), {"list": ["b"]})

    def test_increment_adds_to_a_number(self):
        increments = [{"op": "incr", "path": "/n", "value": 5}, {"op": "incr", "path": "/f", "value": -0.5}]
        self.assertEqual(self.patched({"n": 1, "f": 1.5}, *increments), {"n": 6, "f": 1})

    def test_increment_of_a_missing_property_creates_it(self):
        self.assertEqual(self.patched({}, {"op": "incr", "path": "/n", "value": 7}), {"n": 7})

    def test_move_takes_a_value_to_another_path(self):
        self.assertEqual(self.patched({"x": {"y": 1}}, {"op": "move", "from": "/x/y", "path": "/z"}), {"x": {}, "z": 1})

    def test_names_with_slash_and_tilde_are_escaped(self):
        self.assertEqual(self.patched({"a/b": 1}, {"op": "set", "path": "/a~1b", "value": 2}), {"a/b": 2})

    def test_names_and_values_may_be_non_ascii(self):
        self.assertEqual(self.patched({}, {"op": "add", "path": "/東京", "value": "Ζ😀"}), {"東京": "Ζ😀"})

    def test_replace_of_a_missing_property_is_rejected_with_400(self):
        self.assert_patch_rejected(400, {}, {"op": "replace", "path": "/x", "value": 1})

    def test_remove_of_a_missing_property_is_rejected_with_400(self):
        self.assert_patch_rejected(400, {}, {"op": "remove", "path": "/x"})

    def test_add_below_a_missing_parent_is_rejected_with_400(self):
        self.assert_patch_rejected(400, {}, {"op": "add", "path": "/x/y", "value": 1})

    def test_add_beyond_the_end_of_an_array_is_rejected_with_400(self):
        self.assert_patch_rejected(400, {"list": ["a"]}, {"op": "add", "path": "/list/5", "value": 1})

    def test_increment_of_text_is_rejected_with_400(self):
        self.assert_patch_rejected(400, {"x": "1"}, {"op": "incr", "path": "/x", "value": 1})

    def test_a_patch_of_the_id_a_key_or_a_system_property_is_rejected_with_400(self):
        for path in ("/id", "/pk", "/_ts", "/_etag", "/_rid"):
            with self.subTest(path):
                self.assert_patch_rejected(400, {}, {"op": "set", "path": path, "value": "x"})

    def test_more_than_ten_operations_are_rejected_with_400(self):
        operations = [{"op": "set", "path": f"/n{number}", "value": number} for number in range(11)]
        self.assert_patch_rejected(400, {}, *operations)

    def test_a_failing_operation_undoes_the_ones_before_it(self):
        self.assert_patch_rejected(
            400, {}, {"op": "set", "path": "/x", "value": 1}, {"op": "remove", "path": "/missing"}
        )

    def test_a_condition_that_is_true_applies_the_patch(self):
        change = {"op": "set", "path": "/x", "value": 2}
        self.assertEqual(self.patched({"x": 1}, change, filter_predicate="FROM c WHERE c.x = 1"), {"x": 2})

    def test_a_condition_that_is_false_rejects_the_patch_with_412(self):
        change = {"op": "set", "path": "/x", "value": 2}
        self.assert_patch_rejected(412, {"x": 1}, change, filter_predicate="FROM c WHERE c.x = 2")
        self.assert_patch_rejected(412, {"x": 1}, change, filter_predicate="FROM c WHERE c.missing > 0")

    def test_a_patch_of_a_missing_item_returns_404(self):
        self.assert_rejected(404, self.container().patch_item, "1", "a", [{"op": "set", "path": "/x", "value": 1}])

    def test_a_patch_with_a_stale_etag_is_rejected_with_412(self):
        container = self.container()
        stale = container.create_item({"id": "1", "pk": "a"})["_etag"]
        container.upsert_item({"id": "1", "pk": "a", "x": 1})
        change = [{"op": "set", "path": "/x", "value": 2}]
        only_if = {"etag": stale, "match_condition": MatchConditions.IfNotModified}
        self.assert_rejected(412, container.patch_item, "1", "a", change, **only_if)
        self.assertEqual(container.read_item("1", "a")["x"], 1)

    def test_a_patch_changes_the_etag_and_returns_the_document(self):
        container = self.container()
        created = container.create_item({"id": "1", "pk": "a", "x": 1})
        returned = container.patch_item("1", "a", [{"op": "incr", "path": "/x", "value": 1}])
        self.assertEqual(returned["x"], 2)
        self.assertNotEqual(returned["_etag"], created["_etag"])
        self.assertEqual(returned["_rid"], created["_rid"])
        self.assertEqual(container.read_item("1", "a"), returned)

    @since("4.7.0", "has no batches")
    def test_a_batch_may_patch(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "x": 1})
        change = [{"op": "incr", "path": "/x", "value": 2}]
        results = container.execute_item_batch([("patch", ("1", change)), ("read", ("1",))], partition_key="a")
        self.assertEqual([(each["statusCode"], each["resourceBody"]["x"]) for each in results], [(200, 3), (200, 3)])

    @since("4.7.0", "has no batches")
    def test_a_condition_of_a_patch_in_a_batch_fails_the_batch(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "x": 1})
        change = ("patch", ("1", [{"op": "set", "path": "/x", "value": 2}]), {"filter_predicate": "FROM c WHERE c.x > 1"})
        create = ("create", ({"id": "2", "pk": "a"},))
        with self.assertRaises(Exception) as raised:
            container.execute_item_batch([create, change], partition_key="a")
        self.assertEqual([each["statusCode"] for each in raised.exception.operation_responses], [424, 412])
        self.assertEqual(container.read_item("1", "a")["x"], 1)
