"""What the jobs read, and how they store it between their steps.

A step writes its result to the working folder as Parquet and reads it back, so that neither a container nor a step is read twice, and every later
step sees the same data.
"""

import json
from functools import reduce

from pyspark.sql import DataFrame

from . import frames, versions
from .erased import ITEMS, ErasedSet

# More documents than this are looked up by reading the container again.
MAX_LOOKED_UP = 10_000
_IDS_OF_A_QUERY = 1_000


def stored(frame, folder, name, columns=None):
    """Writes a DataFrame to the working folder and reads it back."""
    path = f"{folder.rstrip('/')}/{name}"
    spark = frame.sparkSession
    (frame if columns is None else frame.select(*columns)).write.mode("overwrite").parquet(path)
    return spark.read.parquet(path)


def items_of_jobs(containers, ids):
    """Items of the jobs container by their ids, those that exist."""
    wanted = ", ".join(json.dumps(item_id) for item_id in ids)
    rows = containers.read("jobs", f"SELECT * FROM c WHERE c.id IN ({wanted})").collect()
    items = (json.loads(row[frames.RAW]) for row in rows)
    return {item["id"]: item for item in items}


def erased_documents(containers):
    """The erased documents."""
    return ErasedSet(items_of_jobs(containers, ITEMS).values())


def versions_where(containers, condition=None, bodies=None):
    """Versions that meet a condition, with `body` where `bodies` is true of the record (None: nowhere, "true": everywhere). Large versions are
    read whole, and put together."""
    small = f"NOT {frames.IS_LARGE}{f' AND ({condition})' if condition else ''}"
    large = frames.has_time(f"{frames.IS_LARGE}{f' AND ({condition})' if condition else ''}")
    found = []
    if bodies is not None:
        whole = containers.read("changes", f"SELECT * FROM c WHERE {frames.has_time(small)} AND ({bodies})")
        found.append(frames.stored_versions(whole))
    if bodies != "true":
        others = f"{small} AND NOT ({bodies})" if bodies else small
        found.append(frames.stored_versions(containers.read("changes", frames.outline_query(others))))
    parts = containers.read("changes", frames.parts_query())
    found.append(frames.stored_versions(containers.read("changes", f"SELECT * FROM c WHERE {large}"), parts))
    return reduce(DataFrame.unionByName, found)


def check_nothing_omitted(containers):
    """Refuses a history with versions that lack fields, because these are never stored: a job would remove them from live documents.

    Raises ValueError with such a version."""
    query = f"{frames.select(['omitted'])} FROM c WHERE IS_DEFINED(c.omitted)"
    versions.refuse_omitted(json.loads(row[frames.RAW]) for row in containers.read("changes", query).limit(1).collect())


def check_key(live, found, paths):
    """Refuses a partition key that is not the one of the monitored container: no document would have a version.

    Raises ValueError with what was found."""
    version = found.where("name IS NOT NULL").limit(1).select("partitionKey").collect()
    if not version or not live.limit(1).count():
        return
    if len(json.loads(version[0][0])) != len(paths):
        raise ValueError(f"--partition-key has {len(paths)} paths, and the versions have keys like {version[0][0]}; give all paths in their order")
    if not live.join(found.select("name"), "name", "left_semi").limit(1).count():
        raise ValueError("no live document has a version; check --partition-key and the names of the containers")


def about(names, key_paths, containers):
    """The live documents and the versions of the documents in a DataFrame with `name` and `id`, with bodies, as they are now."""
    ids = [row["id"] for row in names.select("id").distinct().limit(MAX_LOOKED_UP + 1).collect()]
    names = names.select("name").distinct()
    if len(ids) > MAX_LOOKED_UP:
        live = frames.live_documents(containers.read("monitored"), key_paths)
        found = versions_where(containers, bodies="true")
    else:
        live, found = [], []
        for start in range(0, max(1, len(ids)), _IDS_OF_A_QUERY):
            listed = json.dumps(ids[start : start + _IDS_OF_A_QUERY])
            raw = containers.read("monitored", f"SELECT * FROM c WHERE ARRAY_CONTAINS({listed}, c.id)")
            live.append(frames.live_documents(raw, key_paths))
            found.append(versions_where(containers, f"ARRAY_CONTAINS({listed}, c.sourceId)", bodies="true"))
        live, found = reduce(DataFrame.unionByName, live), reduce(DataFrame.unionByName, found)
    return live.join(names, "name", "left_semi"), found.join(names, "name", "left_semi")
