# %% [markdown]
# # Restore documents
#
# Plans to bring documents back to their state before a time. With `--execute`, writes them. See README.md.
#
# In a notebook, set the environment variables of README.md first, and the arguments here, such as `arguments = ["--before", "...", ...]`.

# %%
import argparse
import sys

from pyspark.sql import SparkSession

from changefeed_spark import common, settings
from changefeed_spark.restore_job import Restore

arguments = sys.argv[1:]

# %%
parser = argparse.ArgumentParser(prog="restore.py", description="Brings documents back to their state before a time.")
common.add_arguments(parser)
action = parser.add_mutually_exclusive_group(required=True)
action.add_argument("--before", metavar="TIME", type=common.second, help="plan the restore to the state before this time")
action.add_argument("--execute", action="store_true", help="execute the plan in the folder, or continue to")
parser.add_argument("--where", metavar="CONDITION", help="SQL over id, partitionKey, target and live, such as get_json_object(live, '$.city') = 'Cary'")
parser.add_argument("--changed-between", nargs=2, metavar=("FROM", "TO"), type=common.second, help="only documents that changed between these times")
parser.add_argument("--documents", metavar="FOLDER", help="only the documents of a Parquet folder with the columns id and partitionKey")
parser.add_argument("--delete-created-after", action="store_true", help="delete documents that are known not to have existed at that time")
parser.add_argument("--reason", help="reason, for the record")
parser.add_argument("--requested-by", metavar="NAME", help="who requests it, for the record")
options = parser.parse_args(arguments)
settings.check_everything_is_stored()

# %%
spark = SparkSession.builder.appName("changefeed restore").getOrCreate()
containers = settings.containers(spark, common.throughput(options))
restore = Restore(
    containers,
    options.folder,
    options.partition_key,
    default_ttl=options.default_ttl,
    actor_fields=settings.actor_fields(),
    **settings.stamp_fields(),
)

# %%
if options.execute:
    record = restore.execute()
    print(f"Restore {record['id']} is {record['state']}: {common.written(record['counts'])}.")
    print(f"Show it with: changefeed restore show {record['id']}")
else:
    plan, counts = restore.plan(
        options.before,
        where=options.where,
        changed=options.changed_between,
        documents=spark.read.parquet(options.documents) if options.documents else None,
        delete_created_after=options.delete_created_after,
        requested_by=options.requested_by,
        reason=options.reason,
    )
    plan.where("action <> 'unchanged'").select("action", "id", "partitionKey", "item").show(100, truncate=120)
    print(f"{common.written(counts)}. Nothing was written. Execute the plan with --execute and the same --folder.")
