"""Tests that an endpoint behaves as the Python SDK for Azure Cosmos DB expects of the service.

Reads the connection string of the endpoint from COSMOS_CONNECTION_STRING. Every test creates its own database or container
under a random name, so that tests are independent. Nothing is specific to the embedded endpoint.

    COSMOS_CONNECTION_STRING=... python conformance.py [Class | Class.test ...]
"""

import asyncio
import os
import sys
import time
import unittest
import uuid
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey, exceptions
from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
from azure.cosmos.partition_key import NonePartitionKeyValue, NullPartitionKeyValue

CONNECTION_STRING = os.environ["COSMOS_CONNECTION_STRING"]
SYSTEM_PROPERTIES = {"_rid", "_self", "_etag", "_attachments", "_ts"}
PAGE_BYTES = 4 * 1024 * 1024
# An expired document may remain visible this long, because `_ts` is in whole seconds and polling takes time.
EXPIRY_LAG_SECONDS = 1.5


class Response(NamedTuple):
    method: str
    path: str
    status: int
    headers: dict
    bytes: int

    @property
    def charge(self):
        return float(self.headers.get("x-ms-request-charge", 0))


class Responses(list):
    """All responses that a client received, in order."""

    def record(self, response):
        http = response.http_response
        path = urlsplit(response.http_request.url).path
        self.append(Response(response.http_request.method, path, http.status_code, dict(http.headers), len(http.body())))


RESPONSES = Responses()
CLIENT = CosmosClient.from_connection_string(CONNECTION_STRING, raw_response_hook=RESPONSES.record)


def random_name(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def body(item):
    """A document without its system properties."""
    return {name: value for name, value in item.items() if name not in SYSTEM_PROPERTIES | {"_lsn"}}


def ids(items):
    return sorted(item["id"] for item in items)


class EndpointTest(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.database = CLIENT.create_database(random_name("conformance-py"))

    @classmethod
    def tearDownClass(cls):
        CLIENT.delete_database(cls.database)

    def container(self, path="/pk", **options):
        return self.database.create_container(random_name("container"), PartitionKey(path=path), **options)

    def filled_container(self, count, keys=10):
        container = self.container()
        for number in range(count):
            container.create_item({"id": f"item-{number:04}", "pk": f"key-{number % keys}", "number": number})
        return container

    def assert_rejected(self, status, call, *arguments, **options):
        """Makes a call that must fail with this status, and returns the error."""
        with self.assertRaises(exceptions.CosmosHttpResponseError) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.status_code, status, raised.exception.message)
        return raised.exception

    def query(self, container, query, parameters=(), **options):
        if "partition_key" not in options:
            options["enable_cross_partition_query"] = True
        named = [{"name": name, "value": value} for name, value in dict(parameters).items()]
        return list(container.query_items(query, parameters=named, **options))

    def pages(self, pager):
        return [list(page) for page in pager.by_page()]

    def changes(self, container, **options):
        """The pages of a change feed up to its current end, and the continuation from there."""
        pages = self.pages(container.query_items_change_feed(**options))
        return pages, container.client_connection.last_response_headers["etag"]

    def changed(self, container, **options):
        pages, _ = self.changes(container, **options)
        return [item for page in pages for item in page]


class Databases(EndpointTest):
    def new_database(self):
        database = CLIENT.create_database(random_name("database"))
        self.addCleanup(self.drop, database)
        return database

    def drop(self, database):
        try:
            CLIENT.delete_database(database)
        except exceptions.CosmosResourceNotFoundError:
            pass

    def test_a_created_database_can_be_read_and_listed(self):
        database = self.new_database()
        self.assertEqual(database.read()["id"], database.id)
        self.assertIn(database.id, [each["id"] for each in CLIENT.list_databases()])

    def test_a_second_create_is_rejected_with_409(self):
        self.assert_rejected(409, CLIENT.create_database, self.new_database().id)

    def test_create_if_not_exists_returns_the_existing_database(self):
        database = self.new_database()
        self.assertEqual(CLIENT.create_database_if_not_exists(database.id).read()["_rid"], database.read()["_rid"])

    def test_a_missing_database_returns_404(self):
        missing = CLIENT.get_database_client(random_name("missing"))
        self.assert_rejected(404, missing.read)
        self.assert_rejected(404, CLIENT.delete_database, missing)

    def test_deleting_a_database_deletes_its_containers(self):
        database = self.new_database()
        container = database.create_container("items", PartitionKey(path="/pk"))
        container.create_item({"id": "1", "pk": "a"})
        CLIENT.delete_database(database)
        self.assertNotIn(database.id, [each["id"] for each in CLIENT.list_databases()])
        self.assert_rejected(404, database.read)
        CLIENT.create_database(database.id)
        self.assertEqual(list(database.list_containers()), [])


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
        self.assertEqual(self.query(recreated, "SELECT * FROM c"), [])
        self.assertEqual(self.changed(recreated, start_time="Beginning"), [])


class Items(EndpointTest):
    def test_a_created_item_is_read_back_with_its_system_properties(self):
        container = self.container()
        item = {"id": "1", "pk": "a", "name": "Davidson"}
        created = container.create_item(item)
        self.assertEqual(RESPONSES[-1].status, 201)
        self.assertLessEqual(SYSTEM_PROPERTIES, created.keys())
        self.assertLess(abs(created["_ts"] - time.time()), 60)
        read = container.read_item("1", "a")
        self.assertEqual(RESPONSES[-1].status, 200)
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
        self.assertEqual(RESPONSES[-1].status, 201)
        second = container.upsert_item({"id": "1", "pk": "a", "other": 2})
        self.assertEqual(RESPONSES[-1].status, 200)
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
        self.assertEqual(RESPONSES[-1].status, 204)
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


class Preconditions(EndpointTest):
    def test_every_write_creates_a_new_etag(self):
        container = self.container()
        etags = {container.upsert_item({"id": "1", "pk": "a", "number": 1})["_etag"] for _ in range(5)}
        self.assertEqual(len(etags), 5)
        self.assertIn(container.read_item("1", "a")["_etag"], etags)
        self.assertEqual(RESPONSES[-1].headers["etag"], container.read_item("1", "a")["_etag"])

    def test_a_write_with_a_stale_etag_is_rejected_with_412(self):
        container = self.container()
        stale = container.create_item({"id": "1", "pk": "a", "number": 1})["_etag"]
        current = container.upsert_item({"id": "1", "pk": "a", "number": 2})["_etag"]
        only_if = {"match_condition": MatchConditions.IfNotModified}
        item = {"id": "1", "pk": "a", "number": 3}
        error = self.assert_rejected(412, container.replace_item, "1", item, etag=stale, **only_if)
        self.assertIsInstance(error, exceptions.CosmosAccessConditionFailedError)
        self.assert_rejected(412, container.upsert_item, item, etag=stale, **only_if)
        self.assert_rejected(412, container.delete_item, "1", "a", etag=stale, **only_if)
        self.assertEqual(container.read_item("1", "a")["number"], 2)
        container.replace_item("1", item, etag=current, **only_if)
        self.assertEqual(container.read_item("1", "a")["number"], 3)

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
            self.assertEqual((RESPONSES[-1].status, RESPONSES[-1].bytes, dict(read)), (304, 0, {}))
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        read = container.read_item("1", "a", **unless_old)
        self.assertEqual((RESPONSES[-1].status, read["number"]), (200, 2))


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


class ManyAtOnce(EndpointTest):
    def test_five_hundred_concurrent_writes_are_all_stored(self):
        container = self.container()

        async def write():
            async with AsyncCosmosClient.from_connection_string(CONNECTION_STRING) as client:
                target = client.get_database_client(self.database.id).get_container_client(container.id)
                await asyncio.gather(
                    *(target.create_item({"id": f"{n:03}", "pk": f"key-{n % 37}", "number": n}) for n in range(500))
                )
                await asyncio.gather(
                    *(target.upsert_item({"id": f"{n:03}", "pk": f"key-{n % 37}", "number": -n}) for n in range(500))
                )

        asyncio.run(write())
        found = self.query(container, "SELECT c.id, c.number FROM c")
        expected = {f"{n:03}": -n for n in range(500)}
        self.assertEqual({item["id"]: item["number"] for item in found}, expected)
        changes = self.changed(container, start_time="Beginning")
        self.assertEqual(len(changes), 500)
        self.assertEqual({item["id"]: item["number"] for item in changes}, expected)

    def test_one_of_twenty_concurrent_creates_of_an_item_succeeds(self):
        container = self.container()

        async def create():
            async with AsyncCosmosClient.from_connection_string(CONNECTION_STRING) as client:
                target = client.get_database_client(self.database.id).get_container_client(container.id)
                tries = (target.create_item({"id": "1", "pk": "a", "number": n}) for n in range(20))
                return await asyncio.gather(*tries, return_exceptions=True)

        results = asyncio.run(create())
        assert_rejected = [each for each in results if isinstance(each, exceptions.CosmosResourceExistsError)]
        self.assertEqual(len(assert_rejected), 19)


class Queries(EndpointTest):
    def test_parameters_accept_values_of_every_kind(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "text": "O'Hara \"x\" \\ 東京", "number": 1.5, "flag": True})
        container.create_item({"id": "2", "pk": "b", "text": "other", "number": 2, "flag": None, "tags": ["a", "b"]})

        def found(condition, value):
            return ids(self.query(container, f"SELECT * FROM c WHERE {condition}", {"@value": value}))

        self.assertEqual(found("c.text = @value", "O'Hara \"x\" \\ 東京"), ["1"])
        self.assertEqual(found("c.text = @value", "x' OR true"), [])
        self.assertEqual(found("c.number >= @value", 1.75), ["2"])
        self.assertEqual(found("c.number = @value", 1.5), ["1"])
        self.assertEqual(found("c.flag = @value", True), ["1"])
        self.assertEqual(found("c.flag = @value", None), ["2"])
        self.assertEqual(found("ARRAY_CONTAINS(@value, c.id)", ["1", "2", "3"]), ["1", "2"])
        self.assertEqual(found("CONTAINS(c.text, @value)", "Hara"), ["1"])
        self.assertEqual(found("ARRAY_CONTAINS(c.tags, @value)", "b"), ["2"])
        self.assertEqual(found("IS_DEFINED(c.tags) AND c.id != @value", "1"), ["2"])

    def test_a_query_of_one_partition_returns_only_that_partition(self):
        container = self.filled_container(30, keys=3)
        found = self.query(container, "SELECT * FROM c", partition_key="key-1")
        self.assertEqual(len(found), 10)
        self.assertEqual({item["pk"] for item in found}, {"key-1"})

    def test_order_by_sorts_across_partitions(self):
        container = self.container()
        for number in range(60):
            container.create_item({"id": f"{number:02}", "pk": f"key-{number % 11}", "number": number * 7 % 60})
        for direction, expected in (("ASC", list(range(60))), ("DESC", list(range(59, -1, -1)))):
            found = self.query(container, f"SELECT * FROM c ORDER BY c.number {direction}", max_item_count=7)
            self.assertEqual([item["number"] for item in found], expected)

    def test_paging_with_continuations_returns_every_document_once(self):
        container = self.filled_container(75)
        continuation, found, pages = None, [], 0
        while True:
            pager = container.query_items(
                "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=10
            ).by_page(continuation)
            page = list(next(pager, []))
            self.assertLessEqual(len(page), 10)
            found += page
            pages += 1
            continuation = pager.continuation_token
            if not continuation or not page:
                break
        self.assertGreaterEqual(pages, 8)
        self.assertEqual(ids(found), [f"item-{number:04}" for number in range(75)])

    def test_paging_within_one_partition_resumes_from_a_continuation(self):
        container = self.filled_container(25, keys=1)
        query = {"query": "SELECT * FROM c", "partition_key": "key-0", "max_item_count": 10}
        first = container.query_items(**query).by_page()
        start = list(next(first))
        rest = [list(page) for page in container.query_items(**query).by_page(first.continuation_token)]
        self.assertEqual([len(start)] + [len(page) for page in rest], [10, 10, 5])
        self.assertEqual(ids(start + sum(rest, [])), [f"item-{number:04}" for number in range(25)])

    def test_aggregates_cover_every_partition(self):
        container = self.filled_container(50)
        for expression, expected in (
            ("COUNT(1)", 50),
            ("SUM(c.number)", 1225),
            ("MIN(c.number)", 0),
            ("MAX(c.number)", 49),
            ("AVG(c.number)", 24.5),
        ):
            with self.subTest(expression):
                self.assertEqual(self.query(container, f"SELECT VALUE {expression} FROM c"), [expected])
        count = "SELECT VALUE COUNT(1) FROM c WHERE c.number < @below"
        self.assertEqual(self.query(container, count, {"@below": 20}), [20])
        self.assertEqual(self.query(container, count, {"@below": 20}, partition_key="key-3"), [2])

    def test_offset_and_limit_select_a_range_of_the_sorted_documents(self):
        container = self.filled_container(40)
        window = self.query(container, "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 15 LIMIT 10")
        self.assertEqual(window, list(range(15, 25)))
        self.assertEqual(self.query(container, "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 99 LIMIT 10"), [])

    def test_projections_return_the_selected_values(self):
        container = self.filled_container(6, keys=3)
        keys = self.query(container, "SELECT DISTINCT VALUE c.pk FROM c")
        self.assertEqual(sorted(keys), ["key-0", "key-1", "key-2"])
        top = self.query(container, "SELECT TOP 2 c.id, c.number AS n FROM c ORDER BY c.number DESC")
        self.assertEqual(top, [{"id": "item-0005", "n": 5}, {"id": "item-0004", "n": 4}])

    def test_a_query_of_one_feed_range_returns_only_that_range(self):
        container = self.filled_container(40)
        ranges = list(container.read_feed_ranges())
        found = [self.query(container, "SELECT * FROM c", feed_range=each) for each in ranges]
        self.assertEqual(ids(sum(found, [])), [f"item-{number:04}" for number in range(40)])


class PartitionKeys(EndpointTest):
    KEYS = {
        "text": "1", "empty": "", "unicode": "東京 \"x\"", "number": 1, "fraction": -1.5, "zero": 0,
        "true": True, "false": False, "null": None,
    }

    def test_partition_keys_of_different_kinds_are_distinct(self):
        container = self.container()
        for kind, key in self.KEYS.items():
            container.create_item({"id": "same", "pk": key, "kind": kind})
        container.create_item({"id": "same", "kind": "none"})
        for kind, key in {**self.KEYS, "null": NullPartitionKeyValue, "none": NonePartitionKeyValue}.items():
            with self.subTest(kind):
                self.assertEqual(container.read_item("same", key)["kind"], kind)
                found = self.query(container, "SELECT VALUE c.kind FROM c", partition_key=key)
                self.assertEqual(found, [kind])
                # The SDK treats a partition key that is false in Python as no partition key.
                feed_range = container.feed_range_from_partition_key(key)
                changes = self.changed(container, start_time="Beginning", feed_range=feed_range)
                self.assertEqual([item["kind"] for item in changes], [kind])

    def test_a_document_without_a_partition_key_can_be_replaced_and_deleted(self):
        container = self.container("/deep/key")
        container.create_item({"id": "1", "deep": {}})
        container.upsert_item({"id": "1", "number": 2})
        self.assertEqual(body(container.read_item("1", NonePartitionKeyValue)), {"id": "1", "number": 2})
        self.assert_rejected(404, container.read_item, "1", NullPartitionKeyValue)
        container.delete_item("1", NonePartitionKeyValue)
        self.assertEqual(self.query(container, "SELECT * FROM c"), [])


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

    def test_a_query_of_a_prefix_returns_everything_below_it(self):
        container = self.tenants()
        found = self.query(container, "SELECT * FROM c", partition_key=["acme"])
        self.assertEqual([item["tenant"] for item in found], ["acme"] * 8)
        found = self.query(container, "SELECT * FROM c", partition_key=["acme", "user-1"])
        self.assertEqual([(item["tenant"], item["user"]) for item in found], [("acme", "user-1")] * 2)

    def test_the_change_feed_of_a_key_or_a_prefix_returns_the_changes_below_it(self):
        container = self.tenants()
        whole = self.changed(container, start_time="Beginning", partition_key=["initech", "user-3"])
        self.assertEqual([(item["tenant"], item["user"]) for item in whole], [("initech", "user-3")] * 2)
        prefix = self.changed(container, start_time="Beginning", partition_key=["initech"])
        self.assertEqual([item["tenant"] for item in prefix], ["initech"] * 8)


class ChangeFeed(EndpointTest):
    def test_from_the_beginning_every_document_is_returned_once_in_its_latest_version(self):
        container = self.filled_container(20)
        for number in range(3):
            container.upsert_item({"id": "item-0004", "pk": "key-4", "number": 100 + number})
        container.delete_item("item-0005", "key-5")
        changes = self.changed(container, start_time="Beginning")
        self.assertEqual(ids(changes), [f"item-{number:04}" for number in range(20) if number != 5])
        latest = container.read_item("item-0004", "key-4")
        change = next(item for item in changes if item["id"] == "item-0004")
        self.assertEqual((change["number"], change["_etag"], change["_ts"]), (102, latest["_etag"], latest["_ts"]))

    def test_from_now_only_later_changes_are_returned(self):
        container = self.filled_container(10)
        pages, continuation = self.changes(container, start_time="Now")
        self.assertEqual(pages, [])
        container.create_item({"id": "later", "pk": "key-1"})
        container.upsert_item({"id": "item-0002", "pk": "key-2", "number": -1})
        self.assertEqual(ids(self.changed(container, continuation=continuation)), ["item-0002", "later"])

    def test_a_continuation_returns_the_changes_since_then(self):
        container = self.filled_container(10)
        _, continuation = self.changes(container, start_time="Beginning")
        self.assertEqual(self.changed(container, continuation=continuation), [])
        for number in range(10, 15):
            container.create_item({"id": f"item-{number}", "pk": f"key-{number}"})
        pages, continuation = self.changes(container, continuation=continuation)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number}" for number in range(10, 15)])
        self.assertEqual(self.changed(container, continuation=continuation), [])

    def test_reading_can_stop_after_any_page_and_resume(self):
        container = self.filled_container(60)
        found = []
        # One range at a time, because the SDK rejects its own continuation while one of its ranges is unread.
        for feed_range in container.read_feed_ranges():
            feed = {"start_time": "Beginning", "feed_range": feed_range, "max_item_count": 4}
            pager = container.query_items_change_feed(**feed).by_page()
            first = list(next(pager, []))
            found += first
            if first:
                found += self.changed(container, continuation=pager.continuation_token, max_item_count=4)
        self.assertEqual(ids(found), [f"item-{number:04}" for number in range(60)])

    def test_from_a_time_only_changes_since_then_are_returned(self):
        container = self.filled_container(5)
        time.sleep(2.1)
        moment = datetime.now(timezone.utc)
        time.sleep(1.1)
        container.create_item({"id": "later", "pk": "key-1"})
        self.assertEqual(ids(self.changed(container, start_time=moment)), ["later"])

    def test_a_page_has_at_most_a_hundred_items_by_default(self):
        container = self.filled_container(250, keys=1)
        pages, _ = self.changes(container, start_time="Beginning")
        self.assertLessEqual(max(len(page) for page in pages), 100)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number:04}" for number in range(250)])

    def test_a_page_has_at_most_the_requested_number_of_items(self):
        container = self.filled_container(50)
        pages, _ = self.changes(container, start_time="Beginning", max_item_count=7)
        self.assertLessEqual(max(len(page) for page in pages), 7)
        self.assertEqual(ids(sum(pages, [])), [f"item-{number:04}" for number in range(50)])

    def test_feed_ranges_divide_the_container(self):
        container = self.filled_container(60)
        ranges = list(container.read_feed_ranges())
        self.assertGreaterEqual(len(ranges), 1)
        changes = [self.changed(container, start_time="Beginning", feed_range=each) for each in ranges]
        self.assertEqual(ids(sum(changes, [])), [f"item-{number:04}" for number in range(60)])

    def test_the_feed_range_of_a_key_returns_the_changes_of_that_key(self):
        container = self.filled_container(30)
        feed_range = container.feed_range_from_partition_key("key-3")
        changes = self.changed(container, start_time="Beginning", feed_range=feed_range)
        self.assertEqual({item["pk"] for item in changes}, {"key-3"})
        self.assertEqual(ids(changes), ["item-0003", "item-0013", "item-0023"])

    def test_log_sequence_numbers_increase_within_a_feed_range(self):
        container = self.filled_container(60)
        container.upsert_item({"id": "item-0000", "pk": "key-0", "number": 100})
        for feed_range in container.read_feed_ranges():
            changes = self.changed(container, start_time="Beginning", feed_range=feed_range, max_item_count=5)
            sequence = [item["_lsn"] for item in changes]
            self.assertTrue(all(isinstance(each, int) for each in sequence))
            self.assertEqual(sequence, sorted(set(sequence)))

    def test_changes_of_one_key_are_returned_in_the_order_of_the_writes(self):
        container = self.filled_container(30, keys=3)
        container.upsert_item({"id": "item-0001", "pk": "key-1", "number": 100})
        changes = self.changed(container, start_time="Beginning", partition_key="key-1")
        self.assertEqual([item["number"] for item in changes], [4, 7, 10, 13, 16, 19, 22, 25, 28, 100])
        sequence = [item["_lsn"] for item in changes]
        self.assertEqual(sequence, sorted(set(sequence)))

    def test_a_point_read_has_no_log_sequence_number(self):
        container = self.filled_container(1)
        self.assertNotIn("_lsn", container.read_item("item-0000", "key-0"))


class AllVersionsAndDeletes(EndpointTest):
    MODE = {"mode": "AllVersionsAndDeletes"}

    def test_every_version_and_every_delete_is_returned_in_order(self):
        container = self.container()
        _, continuation = self.changes(container, start_time="Now", **self.MODE)
        container.create_item({"id": "1", "pk": "a", "number": 1})
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        container.replace_item("1", {"id": "1", "pk": "a", "number": 3})
        container.delete_item("1", "a")
        changes = self.changed(container, continuation=continuation)
        found = [(each["metadata"]["operationType"], each.get("current", {}).get("number")) for each in changes]
        self.assertEqual(found, [("create", 1), ("replace", 2), ("replace", 3), ("delete", None)])
        self.assertTrue(all(isinstance(each["metadata"]["lsn"], int) for each in changes))

    def test_the_mode_cannot_start_from_the_beginning(self):
        container = self.filled_container(1)
        with self.assertRaises((ValueError, exceptions.CosmosHttpResponseError)) as raised:
            self.changed(container, start_time="Beginning", **self.MODE)
        self.assertEqual(getattr(raised.exception, "status_code", 400), 400)


class TimeToLive(EndpointTest):
    def exists(self, container, item_id):
        """Whether the item exists. A read, a query and a count must agree."""
        try:
            container.read_item(item_id, "a")
            read = True
        except exceptions.CosmosResourceNotFoundError:
            read = False
        condition = "FROM c WHERE c.id = @id"
        queried = self.query(container, f"SELECT * {condition}", {"@id": item_id})
        counted = self.query(container, f"SELECT VALUE COUNT(1) {condition}", {"@id": item_id}, partition_key="a")
        if not read:
            self.assertEqual((ids(queried), counted), ([], [0]), "a query sees what a read does not")
        return read

    def assert_expires(self, container, item_id, seconds, since):
        while self.exists(container, item_id):
            age = time.monotonic() - since
            self.assertLess(age, seconds + EXPIRY_LAG_SECONDS, f"{item_id} expired too late")
            time.sleep(0.1)
        self.assertGreater(time.monotonic() - since, seconds - 1.1, f"{item_id} expired too early")

    def test_the_default_of_the_container_applies_unless_the_document_overrides_it(self):
        container = self.container(default_ttl=2)
        since = time.monotonic()
        container.create_item({"id": "by default", "pk": "a"})
        container.create_item({"id": "longer", "pk": "a", "ttl": 4})
        container.create_item({"id": "never", "pk": "a", "ttl": -1})
        self.assert_expires(container, "by default", 2, since)
        self.assertTrue(self.exists(container, "longer"))
        self.assert_expires(container, "longer", 4, since)
        self.assertTrue(self.exists(container, "never"))

    def test_without_a_default_only_documents_with_a_time_to_live_expire(self):
        container = self.container(default_ttl=-1)
        since = time.monotonic()
        container.create_item({"id": "plain", "pk": "a"})
        container.create_item({"id": "short", "pk": "a", "ttl": 2})
        self.assert_expires(container, "short", 2, since)
        self.assertTrue(self.exists(container, "plain"))

    def test_a_time_to_live_has_no_effect_where_it_is_not_enabled(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "ttl": 1})
        time.sleep(2.5)
        self.assertTrue(self.exists(container, "1"))

    def test_a_write_restarts_the_time_to_live(self):
        container = self.container(default_ttl=3)
        container.create_item({"id": "1", "pk": "a"})
        time.sleep(2)
        since = time.monotonic()
        container.upsert_item({"id": "1", "pk": "a", "number": 2})
        time.sleep(1.3)
        self.assertTrue(self.exists(container, "1"))
        self.assert_expires(container, "1", 3, since)

    def test_an_expired_document_is_not_in_the_change_feed_and_can_be_created_again(self):
        container = self.container(default_ttl=-1)
        since = time.monotonic()
        container.create_item({"id": "1", "pk": "a", "ttl": 1})
        self.assertEqual(ids(self.changed(container, start_time="Beginning")), ["1"])
        self.assert_expires(container, "1", 1, since)
        self.assertEqual(self.changed(container, start_time="Beginning"), [])
        self.assert_rejected(404, container.replace_item, "1", {"id": "1", "pk": "a"})
        self.assert_rejected(404, container.delete_item, "1", "a")
        container.create_item({"id": "1", "pk": "a", "number": 2})
        self.assertEqual(RESPONSES[-1].status, 201)
        self.assertEqual(container.read_item("1", "a")["number"], 2)


class Limits(EndpointTest):
    def large_container(self, count, item):
        container = self.container()
        for start in range(0, count, 100):
            batch = [("create", (item(number),)) for number in range(start, min(start + 100, count))]
            container.execute_item_batch(batch, partition_key="a")
        return container

    def test_a_page_has_at_most_a_thousand_documents(self):
        container = self.large_container(1500, lambda number: {"id": f"{number:04}", "pk": "a"})
        for pages in (
            self.pages(container.query_items("SELECT * FROM c", partition_key="a", max_item_count=5000)),
            self.pages(container.query_items_change_feed(start_time="Beginning", max_item_count=5000)),
        ):
            self.assertLessEqual(max(len(page) for page in pages), 1000)
            self.assertEqual(ids(sum(pages, [])), [f"{number:04}" for number in range(1500)])

    def test_a_page_is_at_most_four_megabytes(self):
        container = self.container()
        for number in range(20):
            container.create_item({"id": f"{number:02}", "pk": "a", "filling": "x" * 400_000})
        for query in (
            lambda: container.query_items("SELECT * FROM c", partition_key="a", max_item_count=100),
            lambda: container.query_items_change_feed(start_time="Beginning", max_item_count=100),
        ):
            start = len(RESPONSES)
            pages = self.pages(query())
            self.assertLessEqual(max(response.bytes for response in RESPONSES[start:]), PAGE_BYTES)
            self.assertEqual(ids(sum(pages, [])), [f"{number:02}" for number in range(20)])

    def test_an_item_over_two_megabytes_is_rejected_with_413(self):
        container = self.container()
        container.create_item({"id": "fits", "pk": "a", "filling": "x" * (2 * 1024 * 1024 - 2048)})
        too_large = {"id": "too large", "pk": "a", "filling": "x" * (2 * 1024 * 1024 + 1)}
        self.assert_rejected(413, container.create_item, too_large)
        self.assert_rejected(413, container.upsert_item, too_large)
        self.assert_rejected(413, container.replace_item, "fits", {**too_large, "id": "fits"})
        self.assertEqual(self.query(container, "SELECT VALUE c.id FROM c"), ["fits"])

    def test_an_id_with_a_slash_is_rejected(self):
        container = self.container()
        for item_id in ("a/b", "a\\b"):
            with self.assertRaises((ValueError, exceptions.CosmosHttpResponseError)) as raised:
                container.create_item({"id": item_id, "pk": "a"})
            self.assertEqual(getattr(raised.exception, "status_code", 400), 400)
        self.assertEqual(self.query(container, "SELECT * FROM c"), [])

    def test_an_id_over_1023_bytes_is_rejected_with_400(self):
        container = self.container()
        container.create_item({"id": "x" * 1023, "pk": "a"})
        self.assert_rejected(400, container.create_item, {"id": "x" * 1024, "pk": "a"})


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
        missing = CLIENT.get_database_client(random_name("missing")).get_container_client("items")
        self.assertEqual(self.assert_rejected(404, missing.read).sub_status, 1003)

    def test_an_invalid_query_returns_400(self):
        container = self.container()
        self.assert_rejected(400, self.query, container, "SELEC * FRM c")
        self.assert_rejected(400, self.query, container, "SELECT * FROM c WHERE", partition_key="a")

    def test_an_item_without_an_id_returns_400(self):
        container = self.container()
        self.assert_rejected(400, container.create_item, {"pk": "a"})
        self.assert_rejected(400, container.upsert_item, {"pk": "a"})

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
        self.assertGreater(len(charged), 15)
        self.assertEqual(free, [])


if __name__ == "__main__":
    suite = unittest.defaultTestLoader
    names = sys.argv[1:]
    module = sys.modules["__main__"]
    tests = suite.loadTestsFromNames(names, module) if names else suite.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    bad = (getattr(test, "test_case", test) for test, _ in result.failures + result.errors)
    failed = {test.id() for test in bad if isinstance(test, EndpointTest)}
    passed = result.testsRun - len(failed) - len(result.skipped)
    print(f"{passed} passed, {tests.countTestCases() - passed - len(result.skipped)} failed")
    sys.exit(0 if result.wasSuccessful() else 1)
