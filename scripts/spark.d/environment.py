"""What the tests share: a local Spark session, the embedded endpoint, a database of its own for each story, and folders."""

import contextlib
import functools
import io
import os
import runpy
import sys
import tempfile
from unittest import mock

from azure.cosmos import CosmosClient, PartitionKey
from changefeed_spark import settings
from endpoint import Endpoint, Program
from pyspark.sql import SparkSession

CONNECTION_STRING = os.environ["COSMOS_CONNECTION_STRING"]
EXECUTABLE = os.environ["CHANGEFEED"]
WORK = os.environ["SPARK_WORK"]
SEEDS = [int(seed) for seed in os.environ.get("SPARK_SEEDS", "1 2").split()]


@functools.lru_cache(maxsize=1)
def spark():
    builder = SparkSession.builder.master("local[2]").appName("changefeed-spark")
    options = {
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": f"{WORK}/local",
        "spark.sql.warehouse.dir": f"{WORK}/warehouse",
        "spark.driver.memory": "1g",
        # On a busy machine, the two processes need more than the default of 15 s to find each other.
        "spark.python.authenticate.socketTimeout": "300s",
        "spark.log.level": "ERROR",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def folder():
    """A new folder."""
    return tempfile.mkdtemp(prefix="step-", dir=WORK)


def run_job(file, endpoint, *arguments):
    """Runs a job as `spark-submit` does, except that its containers are those of the embedded endpoint. Returns what it has printed."""
    output = io.StringIO()
    command = [file, *arguments, "--partition-key", *endpoint.paths, "--default-ttl", "-1"]
    with mock.patch.object(settings, "containers", lambda *_: endpoint), mock.patch.object(sys, "argv", command):
        with contextlib.redirect_stdout(output):
            runpy.run_path(f"spark/{file}", run_name="__main__")
    return output.getvalue()


def database(name, paths, default_ttl=-1):
    """A database with the containers of a history, and the program with its settings."""
    program = Program(EXECUTABLE, CONNECTION_STRING, name)
    client = CosmosClient.from_connection_string(CONNECTION_STRING)
    created = client.create_database(name)
    key = PartitionKey(paths[0]) if len(paths) == 1 else PartitionKey(paths, kind="MultiHash")
    created.create_container("events", key, default_ttl=default_ttl)
    program.run("provision")
    return Endpoint(spark(), CONNECTION_STRING, name, paths), program
