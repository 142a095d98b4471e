"""What the tests share: a local Spark session, the embedded endpoint, a database of its own for each story, and folders."""

import functools
import os
import tempfile

from azure.cosmos import CosmosClient, PartitionKey
from endpoint import Endpoint, Program
from pyspark.sql import SparkSession

CONNECTION_STRING = os.environ["COSMOS_CONNECTION_STRING"]
EXECUTABLE = os.environ["CHANGEFEED"]
WORK = os.environ["SPARK_WORK"]
SEEDS = [int(seed) for seed in os.environ.get("SPARK_SEEDS", "1 2").split()]


@functools.lru_cache(maxsize=1)
def spark():
    builder = SparkSession.builder.master("local[2]").appName("changefeed-spark")
    settings = {
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": f"{WORK}/local",
        "spark.sql.warehouse.dir": f"{WORK}/warehouse",
        "spark.driver.memory": "1g",
        "spark.log.level": "ERROR",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def folder():
    """A new folder."""
    return tempfile.mkdtemp(prefix="step-", dir=WORK)


def database(name, default_ttl=None):
    """A database with the containers of a history, and the program with its settings."""
    program = Program(EXECUTABLE, CONNECTION_STRING, name)
    client = CosmosClient.from_connection_string(CONNECTION_STRING)
    created = client.create_database(name)
    created.create_container("events", PartitionKey("/pk"), default_ttl=default_ttl)
    program.run("provision")
    return Endpoint(spark(), CONNECTION_STRING, name), program
