"""What every check needs: a client of the installed SDK, names, and the differences between versions of the SDK.

Reads the connection string of the endpoint from COSMOS_CONNECTION_STRING.
"""

import os
import time
import unittest
import uuid
from typing import NamedTuple
from urllib.parse import urlsplit

import azure.cosmos
from azure.cosmos import CosmosClient, PartitionKey, exceptions

try:
    from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
except ImportError:
    AsyncCosmosClient = None
try:
    from azure.cosmos.partition_key import NullPartitionKeyValue
except ImportError:
    NullPartitionKeyValue = None

CONNECTION_STRING = os.environ["COSMOS_CONNECTION_STRING"]
SDK_VERSION = tuple(int(part) for part in azure.cosmos.__version__.split("."))
SYSTEM_PROPERTIES = {"_rid", "_self", "_etag", "_attachments", "_ts"}
SHORT_BYTES = 10_000
# The address of the control interface, which only the embedded endpoint has.
CONTROL_URL = os.environ.get("COSMOS_CONTROL_URL")
# A container of this throughput has four physical partitions: one for each 10,000 RU/s.
FOUR_PARTITIONS = 40_000


def since(version, missing):
    """Skips a check, or a class of checks, for older versions of the SDK. `missing` says what they cannot do."""
    needed = tuple(int(part) for part in version.split("."))
    return unittest.skipIf(SDK_VERSION < needed, f"azure-cosmos before {version} {missing}")


class Response(NamedTuple):
    method: str
    path: str
    status: int
    headers: dict
    bytes: int
    # The names of the headers of the request.
    asked: set
    # The body, if it is short.
    text: str

    @property
    def charge(self):
        return float(self.headers.get("x-ms-request-charge", 0))


class Responses(list):
    """All responses that a client received, in order."""

    def record(self, response):
        http = response.http_response
        path = urlsplit(response.http_request.url).path
        # The SDK adds `etag` to the headers of some answers itself, therefore the copy.
        headers = {name.lower(): value for name, value in http.headers.items()}
        asked = {name.lower() for name in response.http_request.headers}
        content = http.body()
        text = content.decode(errors="replace") if len(content) <= SHORT_BYTES else ""
        self.append(Response(response.http_request.method, path, http.status_code, headers, len(content), asked, text))


def connect(**options):
    """A client, and all responses that it receives."""
    responses = Responses()
    client = CosmosClient.from_connection_string(CONNECTION_STRING, raw_response_hook=responses.record, **options)
    return client, responses


def random_name(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def body(item):
    """A document without its system properties."""
    return {name: value for name, value in item.items() if name not in SYSTEM_PROPERTIES | {"_lsn"}}


def ids(items):
    return sorted(item["id"] for item in items)


class EndpointTest(unittest.TestCase):
    """Each class of checks has its own client and database, so that classes can run at the same time."""

    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.client, cls.responses = connect()
        cls.database = cls.client.create_database(random_name("conformance-py"))

    @classmethod
    def tearDownClass(cls):
        cls.client.delete_database(cls.database)

    def container(self, path="/pk", **options):
        return self.database.create_container(random_name("container"), PartitionKey(path=path), **options)

    def filled_container(self, count, keys=10, **options):
        container = self.container(**options)
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

    def resumed_pages(self, container, query, size, **options):
        """The pages of a query, each read by a request of its own from the continuation of the page before."""
        if "partition_key" not in options:
            options["enable_cross_partition_query"] = True
        pages, continuation = [], None
        for _ in range(200):
            pager = container.query_items(query, max_item_count=size, **options).by_page(continuation)
            page = next(pager, None)
            # A last page without items has no continuation; the SDK ends without reading that.
            if page is None:
                return pages
            pages.append(list(page))
            continuation = pager.continuation_token
            if not continuation:
                return pages
        self.fail(f"the continuations of {query} do not end")

    def changes(self, container, **options):
        """The pages of a change feed up to its current end, and the continuation from there."""
        if SDK_VERSION < (4, 9, 0):
            start = options.pop("start_time", "Beginning")
            options["is_start_from_beginning"] = start == "Beginning"
            pages = self.pages(container.query_items_change_feed(**options))
            return pages, self.responses[-1].headers["etag"]
        pages = self.pages(container.query_items_change_feed(**options))
        return pages, container.client_connection.last_response_headers["etag"]

    def changed(self, container, **options):
        pages, _ = self.changes(container, **options)
        return [item for page in pages for item in page]

    def wait_for(self, condition, seconds=10):
        """Waits until a condition holds, and fails after this many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "the condition did not come true in time")
            time.sleep(0.05)
