"""The containers of a history in the embedded endpoint, read and written through its REST interface as the connector would do it, and the program
`changefeed`."""

import json
import os
import subprocess
import tempfile
import time
from datetime import datetime, timezone

from azure.cosmos import CosmosClient
from azure.cosmos.partition_key import NonePartitionKeyValue
from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceExistsError, CosmosResourceNotFoundError
from azure.core import MatchConditions

DEADLINE_SECONDS = 60


class Program:
    """The executable `changefeed` with the settings of one database."""

    def __init__(self, executable, connection_string, database):
        self.executable = executable
        self.environment = {**os.environ, "CosmosDB": connection_string, "CHANGEFEED_DATABASE": database}

    def run(self, *arguments, allowed=(0,)):
        """Runs a command; its standard output."""
        command = [self.executable, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)
        if done.returncode not in allowed:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments, allowed=(0,)):
        return json.loads(self.run(*arguments, "--output", "json", allowed=allowed))

    def capture(self, until):
        """Captures until a condition holds."""
        intervals = ["--lease-acquire-interval-ms", "500", "--poll-delay-ms", "200"]
        process = subprocess.Popen(
            [self.executable, "process", "--mode", "LatestVersion", *intervals],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for("the capture", until, lambda: process.poll() is not None and process.stderr.read())
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_SECONDS)


def wait_for(what, condition, failure=lambda: None):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        reason = failure()
        if reason or time.monotonic() > deadline:
            raise AssertionError(f"{what} did not end in time: {reason}")
        time.sleep(0.1)


class Endpoint:
    """Stands in for `connector.Containers`: the same methods, with the meaning that the connector documents for them."""

    def __init__(self, spark, connection_string, database, paths):
        self.spark, self.paths = spark, paths
        self.folder = tempfile.mkdtemp(prefix="items-", dir=os.environ["SPARK_WORK"])
        self.client = CosmosClient.from_connection_string(connection_string)
        self.database = self.client.get_database_client(database)
        names = {"monitored": "events", "changes": "changes", "jobs": "jobs", "deadLetters": "dead-letters"}
        self.containers = {role: self.database.get_container_client(name) for role, name in names.items()}
        self.reads = 0

    def items(self, role, query="SELECT * FROM c"):
        return list(self.containers[role].query_items(query, enable_cross_partition_query=True))

    def _frame(self, items):
        self.reads += 1
        path = f"{self.folder}/{self.reads}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(item) + "\n" for item in items)
        return self.spark.read.text(path).withColumnRenamed("value", "_rawBody")

    def read(self, role, query="SELECT * FROM c"):
        return self._frame(self.items(role, query))

    def changed_since(self, role, second):
        start = datetime.fromtimestamp(second, timezone.utc)
        return self._frame(self.containers[role].query_items_change_feed(start_time=start))

    def write(self, role, items, strategy):
        for row in items.select("_rawBody").toLocalIterator():
            self.write_one(role, json.loads(row[0]), strategy)

    def write_one(self, role, item, strategy):
        container, etag = self.containers[role], item.get("_etag")
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            if strategy == "ItemAppend" or (strategy == "ItemOverwriteIfNotModified" and not etag):
                container.create_item(item)
            elif strategy == "ItemOverwriteIfNotModified":
                container.replace_item(item["id"], item, **condition)
            elif strategy == "ItemDeleteIfNotModified":
                container.delete_item(item["id"], self.key_of(role, item), **condition)
            else:
                raise ValueError(f"the test does not know the strategy {strategy}")
        except (CosmosAccessConditionFailedError, CosmosResourceExistsError, CosmosResourceNotFoundError):
            pass

    def key_of(self, role, item):
        if role == "monitored":
            components = [item.get(path[1:], NonePartitionKeyValue) for path in self.paths]
            return components if len(components) > 1 else components[0]
        return [item["pk"], item["sourceId"]] if role == "changes" else item["id"]

    def put(self, document):
        return self.containers["monitored"].upsert_item(document)

    def delete(self, role, item):
        self.containers[role].delete_item(item["id"], self.key_of(role, item))

    def replace(self, role, item):
        return self.containers[role].replace_item(item["id"], item)
