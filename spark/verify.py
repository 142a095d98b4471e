# %% [markdown]
# # Verify a container
#
# Compares every live document with the history and lists what differs. It writes no container. See README.md.
#
# In a notebook, set the environment variables of README.md first, and the arguments here, such as `arguments = ["--partition-key", "/pk", ...]`.

# %%
import argparse
import sys

from pyspark.sql import SparkSession

from changefeed_spark import common, settings, verify_job

arguments = sys.argv[1:]

# %%
parser = argparse.ArgumentParser(prog="verify.py", description="Compares every live document with the history.")
common.add_arguments(parser)
parser.add_argument("--grace-seconds", type=int, default=60, metavar="SECONDS", help="how long capture may lag; default: 60")
parser.add_argument("--bodies", action="store_true", help="also compare the documents with their versions")
parser.add_argument("--since", metavar="TIME", type=common.second, help="only what was written from this time on; not: unreported deletes")
options = parser.parse_args(arguments)
settings.check_everything_is_stored()

# %%
spark = SparkSession.builder.appName("changefeed verify").getOrCreate()
containers = settings.containers(spark, common.throughput(options))
findings, counts = verify_job.run(
    containers,
    options.folder,
    options.partition_key,
    grace=options.grace_seconds,
    default_ttl=options.default_ttl,
    with_bodies=options.bodies,
    since=options.since,
)

# %%
for name, count in sorted(counts.items()):
    print(f"{name}: {count}")
findings.drop("name").orderBy("kind", "partitionKey", "id").show(100, truncate=False)
print(f"All findings are in {options.folder}/findings.")
