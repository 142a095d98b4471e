"""Measures instances of changefeed process where containers have many physical partitions.

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


class Wide:
    def __init__(self, executable, partitions, log):
        self.executable, self.partitions, self.log = executable, partitions, log
        arguments = ["local", "--cosmos-only", "--cosmos-port", "0", "--partitions", str(partitions)]
        self.endpoint = subprocess.Popen([executable, *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        connection_string = json.loads(self.endpoint.stdout.readline())["connectionString"]
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.address = urlsplit(parts["AccountEndpoint"]).netloc
        self.environment = {**os.environ, "CosmosDB": connection_string, "CHANGEFEED_DATABASE": DATABASE, "RUST_LOG": "warn,azure_data_cosmos_driver=error"}
        self.instances = []
        self.run("provision")

    def run(self, *arguments):
        done = subprocess.run(
            [self.executable, *arguments, "--output", "json"],
            env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"{arguments} failed with exit code {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def start(self):
        """Starts an instance. Returns the seconds until it says that it works."""
        begun = time.monotonic()
        instance = subprocess.Popen([self.executable, "process"], env=self.environment, stdout=subprocess.PIPE, stderr=self.log)
        instance.stdout.readline()
        self.instances.append(instance)
        return time.monotonic() - begun

    def leases(self):
        """The numbers of capture leases of the instances, fewest first."""
        owners = [lease.get("owner") for lease in self.run("leases", "list")["items"]]
        return sorted(owners.count(owner) for owner in {owner for owner in owners if owner})

    def seconds_until_shared(self, instances):
        """The seconds until so many instances have all leases, each as many as the others."""
        begun = time.monotonic()
        few, many = self.partitions // instances, -(-self.partitions // instances)
        while True:
            counts = self.leases()
            if len(counts) == instances and sum(counts) == self.partitions and few <= counts[0] and counts[-1] <= many:
                return time.monotonic() - begun
            if time.monotonic() - begun > DEADLINE_SECONDS:
                sys.exit(f"after {DEADLINE_SECONDS} s the instances have {counts} leases of {self.partitions}")
            time.sleep(0.5)

    def seconds_until_captured(self):
        """Writes documents of many partition keys. Returns the seconds from the last write until all are captured."""
        before = self.versions()
        connection = http.client.HTTPConnection(self.address)
        for number in range(DOCUMENTS):
            document = {"id": str(number), "pk": f"key {number}", "at": time.time()}
            headers = {"x-ms-documentdb-partitionkey": json.dumps([document["pk"]]), "x-ms-documentdb-is-upsert": "true"}
            connection.request("POST", f"/dbs/{DATABASE}/colls/events/docs", json.dumps(document), headers)
            response = connection.getresponse()
            response.read()
            assert response.status in (200, 201), response.status
        begun = time.monotonic()
        while self.versions() < before + DOCUMENTS:
            if time.monotonic() - begun > DEADLINE_SECONDS:
                sys.exit(f"{self.versions() - before} of {DOCUMENTS} documents were captured in {DEADLINE_SECONDS} s")
            time.sleep(0.1)
        return time.monotonic() - begun

    def versions(self):
        containers = self.run("status")["containers"]
        return next(container.get("items") or 0 for container in containers if container["role"] == "changes")

    def megabytes(self):
        """The most memory that an instance has used."""
        return max(peak_megabytes(instance.pid) for instance in self.instances)

    def stop(self):
        for process in [*self.instances, self.endpoint]:
            process.terminate()
            process.wait()


def peak_megabytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+([0-9]+) kB", status.read()).group(1)) * 1024 / 1e6


def measure(executable, partitions, log):
    wide = Wide(executable, partitions, log)
    try:
        first = wide.start()
        alone, captured_alone = wide.seconds_until_shared(1), wide.seconds_until_captured()
        print(f"{partitions} partitions, one instance: starts in {first:.1f} s, has all leases after {alone:.0f} s, "
              f"captures {DOCUMENTS} documents in {captured_alone:.1f} s, uses {wide.megabytes():.0f} MB", flush=True)  # fmt: skip
        others = [wide.start() for _ in range(INSTANCES - 1)]
        shared, captured = wide.seconds_until_shared(INSTANCES), wide.seconds_until_captured()
        print(f"{partitions} partitions, {INSTANCES} instances: the last starts in {others[-1]:.1f} s, the leases are shared after {shared:.0f} s, "
              f"captures {DOCUMENTS} documents in {captured:.1f} s, each uses at most {wide.megabytes():.0f} MB", flush=True)  # fmt: skip
        killed = wide.instances.pop()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        taken_over = wide.seconds_until_shared(INSTANCES - 1)
        print(f"{partitions} partitions, one of {INSTANCES} instances killed: the others share its leases after {taken_over:.0f} s", flush=True)
    finally:
        wide.stop()


def main():
    executable, *partitions = sys.argv[1:]
    with tempfile.NamedTemporaryFile("wb", prefix="changefeed-wide-", suffix=".log", delete=False) as log:
        print(f"the log is {log.name}", flush=True)
        for count in partitions:
            measure(executable, int(count), log)


if __name__ == "__main__":
    main()
