"""Several worker processes restore together: how much faster they are than one, and that nothing is counted twice when they are killed.

    python3 scripts/workers.py EXECUTABLE [DOCUMENTS [KILLS [SEED]]]
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

DATABASE = "workers"
DEADLINE_SECONDS = 1800
LATENCY_MILLISECONDS = 25
# Of each process. With the latency, this and not the processor limits a worker.
CONCURRENCY = 4
PARTITIONS = 4
# Workers, and how many times as fast as one they must be.
REQUIRED = {2: 1.9, 4: 3.6}


class Cluster:
    """An endpoint, and the processes that work on it."""

    def __init__(self, executable, log):
        self.executable, self.log = executable, log
        arguments = ["local", "--cosmos-only", "--cosmos-port", "0", "--control-port", "0", "--partitions", str(PARTITIONS)]
        self.endpoint = subprocess.Popen([executable, *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        ready = json.loads(self.endpoint.stdout.readline())
        self.control = urlsplit(ready["control"]).netloc
        parts = dict(part.split("=", 1) for part in ready["connectionString"].split(";") if part)
        self.address = urlsplit(parts["AccountEndpoint"]).netloc
        self.environment = {
            **os.environ,
            "CosmosDB": ready["connectionString"],
            "CHANGEFEED_DATABASE": DATABASE,
            "CHANGEFEED_JOB_BUDGET": "unlimited",
            "CHANGEFEED_CONCURRENCY": str(CONCURRENCY),
            "RUST_LOG": "warn,azure_data_cosmos_driver=error",
            "RUST_BACKTRACE": "0",
        }
        self.workers = []
        self.run("provision")
        # Restores that are requested over HTTP run where the jobs container's change feed is read: in the workers.
        logged = {**self.environment, "RUST_LOG": "info"}
        self.handler = subprocess.Popen([executable, "serve", "--port", "0"], env=logged, stdout=subprocess.PIPE, stderr=log, text=True)
        line = next(line for line in self.handler.stdout if "listening on " in line)
        self.api = urlsplit(line.split("listening on ")[1].strip()).netloc
        threading.Thread(target=self.handler.stdout.read, daemon=True).start()

    def run(self, *arguments):
        done = subprocess.run(
            [self.executable, *arguments, "--output", "json"],
            env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS,
        )  # fmt: skip
        if done.returncode not in (0, 3):
            sys.exit(f"{arguments} failed with exit code {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout else None

    def start_worker(self):
        intervals = ["--lease-acquire-interval-ms", "500", "--lease-renew-interval-ms", "1000", "--lease-expiration-interval-ms", "4000"]
        worker = subprocess.Popen(
            [self.executable, "process", "--poll-delay-ms", "500", *intervals],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=self.log,
        )  # fmt: skip
        self.workers.append(worker)

    def kill_worker(self, worker):
        self.workers.remove(worker)
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def stop(self):
        for process in [*self.workers, self.handler, self.endpoint]:
            process.terminate()
            process.wait()

    def request(self, address, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(address)
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        response = connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {response.status} {answer.decode()}")
        return json.loads(answer) if answer else None

    def write(self, count, state):
        """Writes all documents, and waits until they are captured."""
        before = self.items("changes")

        def write_part(start):
            connection = http.client.HTTPConnection(self.address)
            for number in range(start, count, 4):
                document = {"id": f"{number:08}", "pk": f"{number:08}", "state": state, "text": "x" * 500}
                headers = {"x-ms-documentdb-partitionkey": json.dumps([document["pk"]]), "x-ms-documentdb-is-upsert": "true"}
                connection.request("POST", f"/dbs/{DATABASE}/colls/events/docs", json.dumps(document), headers)
                response = connection.getresponse()
                response.read()
                assert response.status in (200, 201), response.status

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write_part, range(4)))
        wait_until("all changes are captured", lambda: self.items("changes") >= before + count)

    def items(self, role):
        containers = self.run("status")["containers"]
        return next(container.get("items") or 0 for container in containers if container["role"] == role)

    def leases_of_jobs(self):
        """The number of leases of the jobs that each worker has."""
        owners = [lease.get("owner") for lease in self.run("leases", "list", "--jobs")["items"]]
        return sorted(owners.count(owner) for owner in {owner for owner in owners if owner})

    def balance(self, count):
        """Starts workers until there are so many, and waits until each has as many leases as the others."""
        while len(self.workers) < count:
            self.start_worker()
        wait_until("the leases are balanced", lambda: self.leases_of_jobs() == [PARTITIONS // count] * count)

    def delay(self, milliseconds):
        self.request(self.control, "DELETE", "/faults")
        if milliseconds:
            fault = {"kind": "any", "times": 1_000_000, "delayMilliseconds": milliseconds}
            self.request(self.control, "POST", "/faults", fault)

    def states(self, count):
        """How many documents have each state."""
        found = self.run("query", "--container", "events", "SELECT VALUE c.state FROM c")["items"]
        assert len(found) == count, f"{len(found)} documents"
        return {state: found.count(state) for state in set(found)}

    def restore(self, request):
        """Requests a restore that is a job. Returns its id."""
        return self.request(self.api, "POST", "/api/restores", {**request, "job": True}, {"content-type": "application/json"})["id"]

    def undo(self, restore_id):
        return self.request(self.api, "POST", f"/api/restores/{restore_id}/undo", {}, {"content-type": "application/json"})["id"]

    def follow(self, job_id, meanwhile=lambda: None):
        """Waits until the workers have ended a job. Returns its record, and how long it took."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            newest = self.request(self.api, "GET", "/api/restores?maxItems=10")["items"]
            record = next(record for record in newest if record["id"] == job_id)
            if record["state"] not in ("queued", "running"):
                started, finished = (datetime.fromisoformat(record[name].replace("Z", "+00:00")) for name in ("startedAt", "finishedAt"))
                return record, (finished - started).total_seconds()
            meanwhile()
            time.sleep(0.5)
        sys.exit(f"job {job_id} did not end within {DEADLINE_SECONDS} s: {record}")


def wait_until(what, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {DEADLINE_SECONDS} s until {what}")
        time.sleep(0.3)


def second_after(cluster):
    """The last second of the writes so far, after it has passed."""
    second = int(time.time())
    while int(time.time()) <= second + 1:
        time.sleep(0.1)
    return second


def check_counts(record, count):
    """Fails unless the job wrote each document once."""
    counts = {name: number for name, number in record["counts"].items() if number}
    if record["state"] != "done" or counts != {"replace": count}:
        sys.exit(f"job {record['id']} is {record['state']} with {counts}; expected were {count} replaced documents")


def measure_speed(executable, log, documents):
    seconds = {}
    for workers in (1, *REQUIRED):
        cluster = Cluster(executable, log)
        try:
            cluster.balance(1)
            cluster.write(documents, "good")
            good = second_after(cluster)
            cluster.write(documents, "bad")
            cluster.balance(workers)
            cluster.delay(LATENCY_MILLISECONDS)
            record, seconds[workers] = cluster.follow(cluster.restore({"all": True, "asOf": good}))
            cluster.delay(0)
            check_counts(record, documents)
            if cluster.states(documents) != {"good": documents}:
                sys.exit(f"after the restore: {cluster.states(documents)}")
        finally:
            cluster.stop()
        faster = seconds[1] / seconds[workers]
        print(f"{workers} workers: {seconds[workers]:6.1f} s, {documents / seconds[workers]:5.0f} documents a second, {faster:.2f} times as fast as one", flush=True)
        if faster < REQUIRED.get(workers, 1):
            sys.exit(f"{workers} workers must be at least {REQUIRED[workers]} times as fast as one")


def kill_at_random(executable, log, documents, kills, seed):
    chance, killed, jobs = random.Random(seed), 0, 0
    cluster = Cluster(executable, log)

    def kill_one():
        nonlocal killed
        if killed < kills and time.monotonic() > cluster.next_kill:
            cluster.kill_worker(chance.choice(cluster.workers))
            cluster.start_worker()
            killed += 1
            cluster.next_kill = time.monotonic() + chance.uniform(0.2, 4)

    try:
        cluster.balance(PARTITIONS)
        cluster.write(documents, "good")
        good = second_after(cluster)
        cluster.write(documents, "bad")
        while killed < kills:
            cluster.next_kill = time.monotonic() + chance.uniform(0.2, 4)
            restore, _ = cluster.follow(cluster.restore({"all": True, "asOf": good}), kill_one)
            check_counts(restore, documents)
            assert cluster.states(documents) == {"good": documents}
            undo, _ = cluster.follow(cluster.undo(restore["id"]), kill_one)
            check_counts(undo, documents)
            assert cluster.states(documents) == {"bad": documents}
            jobs += 2
            print(f"{killed} workers killed in {jobs} jobs of {documents} documents: each document was written and counted once", flush=True)
    finally:
        cluster.stop()


def main():
    executable = sys.argv[1]
    documents, kills, seed = (int(text) for text in (*sys.argv[2:], *("20000", "30", "1")[len(sys.argv) - 2 :]))
    with tempfile.NamedTemporaryFile("wb", prefix="changefeed-workers-", suffix=".log", delete=False) as log:
        print(f"the log is {log.name}", flush=True)
        measure_speed(executable, log, documents)
        kill_at_random(executable, log, documents, kills, seed)


if __name__ == "__main__":
    main()
