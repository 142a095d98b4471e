"""Measures processes and commands where containers have many physical partitions.

    python3 scripts/wide.py EXECUTABLE PARTITIONS...
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlsplit

DATABASE = "wide"
DEADLINE_SECONDS = 900
INSTANCES = 8
# Written and captured to see that every instance works.
DOCUMENTS = 500
# The most that a process may need, in megabytes: for itself, and for each partition.
MEGABYTES, MEGABYTES_OF_PARTITION = 60, 0.2
COMMANDS = {
    "status": ["status"],
    "a search": ["history", "search", "--filter", "pk=key 7", "--max-items", "20"],
    "a verification": ["verify"],
    "a restore of all as of before": ["restore", "run", "--all", "--as-of", "BEFORE", "--yes"],
}


class Wide:
    def __init__(self, executable, partitions, log):
        self.executable, self.partitions, self.log = executable, partitions, log
        self.folder = tempfile.TemporaryDirectory(prefix="changefeed-wide-")
        self.endpoint, self.instances = None, []

    def create_containers(self):
        self.start_endpoint("--partitions", str(self.partitions))
        self.run("provision")
        # As in a real account, the other containers have one partition.
        for name in self.containers() - {"events", "changes"}:
            self.send("DELETE", f"/dbs/{DATABASE}/colls/{name}")
        stop(self.endpoint)
        self.start_endpoint()
        self.run("provision")
        ranges = self.send("GET", f"/dbs/{DATABASE}/colls/events/pkranges")["PartitionKeyRanges"]
        assert len(ranges) == self.partitions, len(ranges)

    def start_endpoint(self, *options):
        arguments = ["local", "--cosmos-only", "--cosmos-port", "0", "--data", self.folder.name, *options]
        self.endpoint = subprocess.Popen([self.executable, *arguments], stdout=subprocess.PIPE, stderr=self.log, text=True)
        connection_string = json.loads(self.endpoint.stdout.readline())["connectionString"]
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.connection = http.client.HTTPConnection(urlsplit(parts["AccountEndpoint"]).netloc)
        self.environment = {
            **os.environ,
            "CosmosDB": connection_string,
            "CHANGEFEED_DATABASE": DATABASE,
            "CHANGEFEED_MONITORED_CONTAINER": "events",
            "CHANGEFEED_JOB_BUDGET": "unlimited",
            "RUST_LOG": "warn,azure_data_cosmos_driver=error",
        }

    def containers(self):
        return {container["id"] for container in self.send("GET", f"/dbs/{DATABASE}/colls")["DocumentCollections"]}

    def send(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, json.dumps(body) if body else None, headers)
        response = self.connection.getresponse()
        text = response.read()
        assert response.status in (200, 201, 204), f"{method} {path}: {response.status} {text}"
        return json.loads(text) if text else None

    def run(self, *arguments):
        """Runs a command. Returns what it prints, its seconds, and its memory in megabytes."""
        begun = time.monotonic()
        with tempfile.TemporaryFile("w+") as printed:
            process = subprocess.Popen(
                [self.executable, *arguments, "--output", "json"], env=self.environment, stdout=printed, stderr=self.log
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                sys.exit(f"{arguments} failed with exit code {process.returncode}; see {self.log.name}")
            printed.seek(0)
            return json.load(printed), time.monotonic() - begun, usage.ru_maxrss * 1024 / 1e6

    def start(self):
        """Starts an instance. Returns the seconds until it says that it works."""
        begun = time.monotonic()
        instance = subprocess.Popen([self.executable, "process"], env=self.environment, stdout=subprocess.PIPE, stderr=self.log)
        if not instance.stdout.readline():
            sys.exit(f"an instance has ended; see {self.log.name}")
        self.instances.append(instance)
        return time.monotonic() - begun

    def leases(self):
        """The numbers of capture leases of the instances, fewest first."""
        owners = [lease.get("owner") for lease in self.run("leases", "list")[0]["items"]]
        return sorted(owners.count(owner) for owner in {owner for owner in owners if owner})

    def seconds_until_shared(self, instances):
        """The seconds until so many instances have all leases, each as many as the others."""
        few, many = self.partitions // instances, -(-self.partitions // instances)

        def are_shared():
            counts = self.leases()
            return len(counts) == instances and sum(counts) == self.partitions and few <= counts[0] and counts[-1] <= many

        return self.seconds_until(are_shared, f"{instances} instances share the leases")

    def seconds_until_captured(self):
        """Writes documents of many partition keys. Returns the seconds from the last write until all are captured."""
        before = self.versions()
        # The endpoint closes idle connections; the next request opens another one.
        self.connection.close()
        for number in range(DOCUMENTS):
            document = {"id": str(number), "pk": f"key {number}", "at": time.time()}
            key = json.dumps([document["pk"]])
            self.send(
                "POST", f"/dbs/{DATABASE}/colls/events/docs", document,
                x_ms_documentdb_partitionkey=key, x_ms_documentdb_is_upsert="true",
            )  # fmt: skip
        return self.seconds_until(lambda: self.versions() >= before + DOCUMENTS, "all documents are captured")

    def versions(self):
        containers = self.run("status")[0]["containers"]
        return next(container.get("items") or 0 for container in containers if container["role"] == "changes")

    def seconds_until(self, is_reached, what):
        begun = time.monotonic()
        while not is_reached():
            if time.monotonic() - begun > DEADLINE_SECONDS:
                sys.exit(f"not reached in {DEADLINE_SECONDS} s: {what}")
            time.sleep(0.1)
        return time.monotonic() - begun

    def megabytes(self):
        """The most memory that an instance has used."""
        return max(peak_megabytes(instance.pid) for instance in self.instances)

    def stop(self):
        for process in filter(None, [*self.instances, self.endpoint]):
            stop(process)
        self.folder.cleanup()


def stop(process):
    process.terminate()
    process.wait()


def peak_megabytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+([0-9]+) kB", status.read()).group(1)) * 1024 / 1e6


def measure(executable, partitions, log):
    wide = Wide(executable, partitions, log)
    most = 0

    def report(what, seconds, megabytes):
        nonlocal most
        most = max(most, megabytes)
        print(f"{partitions:5} partitions  {what:58} {seconds:6.1f} s {megabytes:6.0f} MB", flush=True)

    try:
        wide.create_containers()
        report("one instance has started", wide.start(), wide.megabytes())
        report("it has all leases", wide.seconds_until_shared(1), wide.megabytes())
        report(f"it has captured {DOCUMENTS} documents", wide.seconds_until_captured(), wide.megabytes())
        before = int(time.time())
        time.sleep(2)
        last = max(wide.start() for _ in range(INSTANCES - 1))
        report(f"the slowest of {INSTANCES - 1} more has started", last, wide.megabytes())
        report(f"{INSTANCES} instances share the leases", wide.seconds_until_shared(INSTANCES), wide.megabytes())
        report(f"they have captured {DOCUMENTS} documents", wide.seconds_until_captured(), wide.megabytes())
        for name, arguments in COMMANDS.items():
            _, seconds, megabytes = wide.run(*(str(before) if argument == "BEFORE" else argument for argument in arguments))
            report(name, seconds, megabytes)
        killed = wide.instances.pop()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        shared = wide.seconds_until_shared(INSTANCES - 1)
        report("an instance was killed, and the others have its leases", shared, wide.megabytes())
    finally:
        wide.stop()
    limit = MEGABYTES + MEGABYTES_OF_PARTITION * partitions
    if most > limit:
        sys.exit(f"a process needed {most:.0f} MB with {partitions} partitions, and may need {limit:.0f} MB")


def main():
    executable, *partitions = sys.argv[1:]
    with tempfile.NamedTemporaryFile("wb", prefix="changefeed-wide-", suffix=".log", delete=False) as log:
        print(f"the log is {log.name}", flush=True)
        for count in partitions:
            measure(executable, int(count), log)


if __name__ == "__main__":
    main()
