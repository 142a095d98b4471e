"""Etags and the conditions that name them."""

from azure.core import MatchConditions
from azure.cosmos import exceptions

from sdk import EndpointTest, since


class Preconditions(EndpointTest):
    def test_every_write_creates_a_new_etag(self):
        container = self.container()
        etags = {container.upsert_item({"id": "1", "pk": "a", "number": 1})["_etag"] for _ in range(5)}
        self.assertEqual(len(etags), 5)
        self.assertIn(container.read_item("1", "a")["_etag"], etags)
        self.assertEqual(self.responses[-1].headers["etag"], container.read_item("1", "a")["_etag"])

    def test_a_write_with_a_stale_etag_is_rejected_with_412(self):
        container = self.container()
        stale = container.create_item({"id": "1", "pk": "a", "number": 1})["_etag"]
        current = container.upsert_item({"id": "1", "pk": "a", "number": 2})["_etag"]
        only_if = {"match_condition": MatchConditions.IfNotModified}
        item = {"id": "1", "pk": "a", "number": 3}
        error = self.assert_rejected(412, container.replace_item, "1", item, etag=stale, **only_if)
        self.assertIsInstance(error, exceptions.CosmosAccessConditionFailedError)
        self.assert_rejected(412, container.delete_item, "1", "a", etag=stale, **only_if)
        self.assertEqual(container.read_item("1", "a")["number"], 2)
        container.replace_item("1", item, etag=current, **only_if)
        self.assertEqual(container.read_item("1", "a")["number"], 3)

    @since("4.1.0", "sends no condition with an upsert")
    def test_an_upsert_with_a_stale_etag_is_rejected_with_412(self):
        container = self.container()
        stale = container.create_item({"id": "1", "pk": "a", "number": 1})["_etag"]
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        only_if = {"etag": stale, "match_condition": MatchConditions.IfNotModified}
        self.assert_rejected(412, container.upsert_item, {"id": "1", "pk": "a", "number": 3}, **only_if)
        self.assertEqual(container.read_item("1", "a")["number"], 2)

    def test_a_star_matches_any_existing_item(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "number": 1})
        exists = {"match_condition": MatchConditions.IfPresent}
        container.replace_item("1", {"id": "1", "pk": "a", "number": 2}, **exists)
        self.assertEqual(container.read_item("1", "a")["number"], 2)
        container.delete_item("1", "a", **exists)
        self.assert_rejected(404, container.replace_item, "1", {"id": "1", "pk": "a"}, **exists)

    def test_a_delete_with_the_current_etag_succeeds(self):
        container = self.container()
        etag = container.create_item({"id": "1", "pk": "a"})["_etag"]
        container.delete_item("1", "a", etag=etag, match_condition=MatchConditions.IfNotModified)
        self.assert_rejected(404, container.read_item, "1", "a")

    def test_a_read_of_a_known_version_returns_304_without_a_body(self):
        container = self.container()
        old = container.create_item({"id": "1", "pk": "a", "number": 1})["_etag"]
        unless_old = {"etag": old, "match_condition": MatchConditions.IfModified}
        for condition in (unless_old, {"match_condition": MatchConditions.IfMissing}):
            read = container.read_item("1", "a", **condition)
            self.assertEqual((self.responses[-1].status, self.responses[-1].bytes, dict(read or {})), (304, 0, {}))
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        read = container.read_item("1", "a", **unless_old)
        self.assertEqual((self.responses[-1].status, read["number"]), (200, 2))
