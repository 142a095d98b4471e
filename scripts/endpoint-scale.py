"""Measures the embedded endpoint with few and with many items. See scripts/endpoint-scale."""

import http.client
import json
import statistics
import subprocess
import sys
import time

FEW = 10_000
BATCH = 100
VERSIONS = 10_000
MAX_BYTES_PER_ITEM = 3 * 1024
MAX_FEED_SECONDS = 0.1
# Of a search without an index, for each item of 1 KB.
MAX_SEARCH_MICROSECONDS = 20
MAX_GROWTH = 1.2
MAX_IDLE_SECONDS = 1
# Two measurements of the same thing differ by this much on a busy machine.
NOISE_SECONDS = 0.002


class Endpoint:
    def __init__(self, executable):
        arguments = [executable, "local", "--cosmos-only", "--cosmos-port", "0"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = json.loads(self.process.stdout.readline())["cosmos"]
        self.connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"))
        self.used_at = time.monotonic()
        self.send("POST", "/dbs", {"id": "db"})
        definition = {"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}}
        self.send("POST", "/dbs/db/colls", definition)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def send(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        # The endpoint closes connections that are idle; the next request opens another one.
        if time.monotonic() - self.used_at > MAX_IDLE_SECONDS:
            self.connection.close()
        self.connection.request(method, path, body if body is None else json.dumps(body), headers)
        reply = self.connection.getresponse()
        content = reply.read()
        self.used_at = time.monotonic()
        if reply.status >= 400:
            sys.exit(f"{method} {path}: {reply.status} {content[:500]!r}")
        return reply, content

    def query(self, text, parameters=(), **headers):
        body = {"query": text, "parameters": [{"name": name, "value": value} for name, value in parameters]}
        headers = {"x_ms_documentdb_isquery": "true", "content_type": "application/query+json", **headers}
        return json.loads(self.send("POST", "/dbs/db/colls/c/docs", body, **headers)[1])["Documents"]

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


def item(number, key):
    return {"id": f"item-{number:07}", "pk": key, "n": number, "kind": f"kind-{number % 50}", "text": "x" * 800}


def write(endpoint, first, count, key):
    """Writes items in bulk."""
    for start in range(first, first + count, BATCH):
        write_batch(endpoint, range(start, min(start + BATCH, first + count)), key)


def write_batch(endpoint, numbers, key):
    """Writes items in one bulk request, and returns the seconds that it took."""
    operations = [
        {
            "operationType": "Create",
            "partitionKey": json.dumps([key(number)]),
            "resourceBody": item(number, key(number)),
        }
        for number in numbers
    ]
    started = time.perf_counter()
    endpoint.send(
        "POST",
        "/dbs/db/colls/c/docs",
        operations,
        x_ms_cosmos_is_batch_request="True",
        x_ms_cosmos_batch_atomic="False",
        x_ms_documentdb_partitionkeyrangeid="0",
        prefer="return=minimal",
    )
    return time.perf_counter() - started


def median_seconds(action, times=15):
    action()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def write_seconds(small, large, first, key):
    """The median seconds of bulk requests to two endpoints, which take turns, so that other processes delay both."""
    seconds = ([], [])
    for start in range(first, first + FEW, BATCH):
        numbers = range(start, start + BATCH)
        for endpoint, measured in zip((small, large), seconds):
            measured.append(write_batch(endpoint, numbers, key))
    return tuple(map(statistics.median, seconds))


def page_of_versions(endpoint, key):
    rows = endpoint.query(
        "SELECT * FROM c WHERE c.n >= 0 ORDER BY c.n DESC",
        x_ms_documentdb_partitionkey=json.dumps([key]),
        x_ms_max_item_count="20",
    )
    assert len(rows) == 20, len(rows)


def search(endpoint, condition, matches):
    """Counts what no index finds: the condition has to be computed for every item."""
    found = endpoint.query(f"SELECT VALUE COUNT(1) FROM c WHERE {condition}", x_ms_documentdb_partitionkeyrangeid="0")
    assert found == [matches], (condition, found, matches)


def read_many(endpoint, count):
    step = max(count // 100, 1)
    numbers = [number * step for number in range(100)]
    named = " OR ".join(f"(c.id = @i{at} AND c.pk = @k{at})" for at in range(len(numbers)))
    parameters = [
        pair
        for at, number in enumerate(numbers)
        for pair in ((f"@i{at}", f"item-{number:07}"), (f"@k{at}", f"key-{number}"))
    ]
    rows = endpoint.query(f"SELECT * FROM c WHERE {named}", parameters, x_ms_documentdb_partitionkeyrangeid="0")
    assert len(rows) == 100, len(rows)


def feed_page(endpoint):
    _, content = endpoint.send("GET", "/dbs/db/colls/c/docs", a_im="Incremental Feed", x_ms_max_item_count="5000")
    return len(content)


def main(executable, items):
    endpoint = Endpoint(executable)
    failures = []

    def check(name, value, limit, unit):
        print(f"{name}: {value:.4g} {unit} (limit {limit:.4g})")
        if value > limit:
            failures.append(name)

    unique = lambda number: f"key-{number}"  # noqa: E731

    def begin(endpoint):
        write(endpoint, 0, FEW, unique)
        # A key with few versions, and later one with many. Its query makes the endpoint keep a sort index.
        write(endpoint, 10_000_000, 100, lambda _: "few")
        return median_seconds(lambda: page_of_versions(endpoint, "few"))

    empty = endpoint.resident_bytes()
    few_page = begin(endpoint)
    few_read = median_seconds(lambda: read_many(endpoint, FEW), 5)
    if items > 2 * FEW:
        write(endpoint, FEW, items - 2 * FEW, unique)
    small = Endpoint(executable)
    begin(small)
    few_write, many_write = write_seconds(small, endpoint, items - FEW, unique)
    small.stop()
    per_item = (endpoint.resident_bytes() - empty) / items
    write(endpoint, 20_000_000, VERSIONS, lambda _: "many")
    many_page = median_seconds(lambda: page_of_versions(endpoint, "many"))
    many_read = median_seconds(lambda: read_many(endpoint, items), 5)
    # With the items of few and of many versions, of which a fiftieth has each kind.
    stored = items + 100 + VERSIONS
    text_search = median_seconds(lambda: search(endpoint, "CONTAINS(c.text, 'needle')", 0), 5) / stored
    kind_search = median_seconds(lambda: search(endpoint, "CONTAINS(c.kind, '-49')", stored // 50), 5) / stored
    filter_search = median_seconds(lambda: search(endpoint, "c.n % 50 = 49", stored // 50), 5) / stored
    feed_bytes = feed_page(endpoint)
    feed_seconds = median_seconds(lambda: feed_page(endpoint), 5)

    print(f"items: {items}; writes a second: {BATCH / few_write:.0f} with few, {BATCH / many_write:.0f} with many")
    check("writes, few to many", many_write / few_write, MAX_GROWTH, "times slower")
    check("page of 20 versions", many_page, few_page * MAX_GROWTH + NOISE_SECONDS, f"s, {few_page:.4g} s with few")
    check("100 items by id", many_read, few_read * MAX_GROWTH + NOISE_SECONDS, f"s, {few_read:.4g} s with few")
    for name, seconds in (("a text that no item has", text_search), ("a text", kind_search), ("a number", filter_search)):
        check(f"search without an index for {name}, an item", seconds * 1e6, MAX_SEARCH_MICROSECONDS, "µs")
    check(f"page of the change feed, {feed_bytes / 1e6:.1f} MB", feed_seconds, MAX_FEED_SECONDS, "s")
    check("memory of an item of 1 KB", per_item, MAX_BYTES_PER_ITEM, "bytes")
    endpoint.stop()
    if failures:
        sys.exit(f"endpoint-scale: over the limit: {', '.join(failures)}")


main(sys.argv[1], int(sys.argv[2]))
