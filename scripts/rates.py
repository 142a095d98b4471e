"""Measures what the operations on a whole container cost for a document: request units as the embedded endpoint charges them, and time.

    python3 scripts/rates.py EXECUTABLE [DOCUMENTS [PEERS]]

PEERS is a folder with the SDK for Node.js: then programs that a user would write instead are measured too.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

DEADLINE_SECONDS = 1200
BYTES = 1000
# A loop that restores one document after the other is slow, and its speed does not depend on their number.
NAIVE_DOCUMENTS = 500
PARTITIONS = 4
DATABASE = "rates"


class Endpoint:
    """The embedded endpoint, over its REST interface."""

    def __init__(self, connection_string):
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.address = urlsplit(parts["AccountEndpoint"]).netloc

    def put(self, documents):
        """Writes documents over one connection. Returns the request units."""
        charge = 0.0
        connection = http.client.HTTPConnection(self.address)
        path = f"/dbs/{DATABASE}/colls/events/docs"
        for document in documents:
            headers = {"x-ms-documentdb-partitionkey": json.dumps([document["pk"]]), "x-ms-documentdb-is-upsert": "true"}
            connection.request("POST", path, json.dumps(document), headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status in (200, 201), body
            charge += float(response.headers["x-ms-request-charge"])
        return charge

    def charge_of(self, container, query):
        """The items and the request units of a query over all partitions, read page by page."""
        connection = http.client.HTTPConnection(self.address)
        base = f"/dbs/{DATABASE}/colls/{container}"
        connection.request("GET", f"{base}/pkranges")
        ranges = [found["id"] for found in json.loads(connection.getresponse().read())["PartitionKeyRanges"]]
        items, charge = 0, 0.0
        for range_id in ranges:
            continuation = ""
            while continuation is not None:
                headers = {
                    "content-type": "application/query+json",
                    "x-ms-documentdb-isquery": "true",
                    "x-ms-documentdb-partitionkeyrangeid": range_id,
                    "x-ms-documentdb-query-enablecrosspartition": "true",
                    "x-ms-max-item-count": "1000",
                    **({"x-ms-continuation": continuation} if continuation else {}),
                }
                connection.request("POST", f"{base}/docs", json.dumps({"query": query, "parameters": []}), headers)
                response = connection.getresponse()
                page = json.loads(response.read())
                assert response.status == 200, page
                items += page["_count"]
                charge += float(response.headers["x-ms-request-charge"])
                continuation = response.headers.get("x-ms-continuation")
        return items, charge


def documents(count, round_number):
    """Documents of about a thousand bytes, with a property for each fifty bytes."""
    for number in range(count):
        document = {"id": f"{number:08}", "pk": f"{number:08}", "round": round_number}
        field = 0
        while len(json.dumps(document)) < BYTES:
            document[f"property{field:02}"] = f"value {number} {round_number} {field}".ljust(32, "x")
            field += 1
        yield document


def write(endpoint, count, round_number):
    """Writes all documents. Returns the request units."""
    everything = list(documents(count, round_number))
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lambda start: endpoint.put(everything[start::4]), range(4)))


def main():
    executable, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    peers = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as folder:
        local = subprocess.Popen(
            [executable, "local", "--cosmos-only", "--cosmos-port", "0", "--partitions", str(PARTITIONS)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder,
        )  # fmt: skip
        try:
            connection_string = json.loads(local.stdout.readline())["connectionString"]
            settings = {"CosmosDB": connection_string, "CHANGEFEED_DATABASE": DATABASE, "CHANGEFEED_JOB_BUDGET": "unlimited"}
            measure(executable, count, Path(folder), Endpoint(connection_string), {**os.environ, **settings}, peers)
        finally:
            local.terminate()
            local.wait()


def measure(executable, count, folder, endpoint, environment, peers):
    def run(*arguments):
        done = subprocess.run([executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        return done.stdout

    def captured():
        return endpoint.charge_of("changes", "SELECT VALUE COUNT(1) FROM c")

    def row(name, seconds, charge, rows=count):
        print(f"| {name} | {rows / seconds:,.0f} | {charge / rows:.2f} |", flush=True)

    def report(name, *arguments):
        start = time.monotonic()
        found = json.loads(run(*arguments, "--output", "json"))
        row(name, time.monotonic() - start, found["requestCharge"])
        return found

    def capture(versions):
        start = time.monotonic()
        process = subprocess.Popen([executable, "process"], env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while len_of(endpoint) < versions:
                assert time.monotonic() < start + DEADLINE_SECONDS, "the capture did not end in time"
                time.sleep(0.2)
        finally:
            process.terminate()
            process.wait()

    run("provision", "--partition-key", "/pk")
    print(f"{count} documents of {BYTES} bytes, two versions of each\n")
    print("| operation | documents a second | request units for a document |\n|---|---|---|")
    created = write(endpoint, count, 1)
    capture(count)
    time.sleep(2.1)
    before = int(time.time())
    time.sleep(2.1)
    replaced = write(endpoint, count, 2)
    capture(2 * count)
    report("verification", "verify", "--grace-seconds", "0")
    report("full backup", "backup", "create", "--to", str(folder / "backup"))
    restore = report("restore of all, as a job", "restore", "run", "--all", "--before", str(before), "--yes", "--job")
    report("undo", "restore", "undo", restore["id"], "--yes")
    start = time.monotonic()
    run("populate", "--count", str(count), "--force")
    row("populate", time.monotonic() - start, 0)
    if peers:
        for name, rows, *arguments in (
            ("Node.js: populate, upserts in bulk", count, "populate", count),
            ("Node.js: restore, one after the other", NAIVE_DOCUMENTS, "restore", NAIVE_DOCUMENTS, before),
        ):
            command = ["node", str(Path(peers) / "documents.mjs"), *map(str, arguments)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
            assert done.returncode == 0, done.stderr
            row(name, json.loads(done.stdout)["seconds"], 0, rows)
    print(f"\nA create takes {created / count:.1f} request units, a replace {replaced / count:.1f}, with the default index policy.")
    print(f"\n{PARTITIONS} partitions, pages of 1,000 items\n\n| query | items | request units for an item |\n|---|---|---|")
    for container, query in (
        ("events", 'SELECT c["id"], c["_ts"], c["_etag"], c["pk"] FROM c'),
        ("events", "SELECT * FROM c"),
        ("changes", 'SELECT c["id"], c["sourceId"], c["partitionKey"], c["sourceTs"], c["exact"] FROM c WHERE IS_DEFINED(c.sourceTs)'),
        ("changes", f"SELECT * FROM c WHERE c.sourceTs < {before}"),
    ):
        items, charge = endpoint.charge_of(container, query)
        print(f"| `{container}`: `{query}` | {items:,} | {charge / max(items, 1):.3f} |", flush=True)


def len_of(endpoint):
    """The number of versions."""
    connection = http.client.HTTPConnection(endpoint.address)
    connection.request("GET", f"/dbs/{DATABASE}/colls/changes", headers={"x-ms-documentdb-populatequotainfo": "true"})
    response = connection.getresponse()
    response.read()
    usage = dict(part.split("=") for part in response.headers["x-ms-resource-usage"].split(";") if "=" in part)
    return int(usage["documentsCount"])


if __name__ == "__main__":
    main()
