"""What the jobs read, and how they store it between their steps.

A step writes its result to the working folder as Parquet and reads it back, so that neither a container nor a step is read twice, and every later
step sees the same data.
"""

import json

from . import frames
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
    scope = f"IS_DEFINED(c.sourceTs){f' AND ({condition})' if condition else ''}"
    small = f"{scope} AND NOT {frames.IS_LARGE}"
    if bodies is None:
        found = frames.stored_versions(containers.read("changes", frames.outline_query(f"NOT {frames.IS_LARGE}" + (
            f" AND ({condition})" if condition else ""))))  # fmt: skip
    elif bodies == "true":
        found = frames.stored_versions(containers.read("changes", f"SELECT * FROM c WHERE {small}"))
    else:
        whole = containers.read("changes", f"SELECT * FROM c WHERE {small} AND ({bodies})")
        outlines = containers.read("changes", frames.outline_query(f"NOT {frames.IS_LARGE} AND NOT ({bodies})" + (
            f" AND ({condition})" if condition else "")))  # fmt: skip
        found = frames.stored_versions(whole).unionByName(frames.stored_versions(outlines))
    large = containers.read("changes", f"SELECT * FROM c WHERE {scope} AND {frames.IS_LARGE}")
    return found.unionByName(frames.stored_versions(large, containers.read("changes", frames.PARTS_QUERY)))


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
        chunks = [ids[start : start + _IDS_OF_A_QUERY] for start in range(0, len(ids), _IDS_OF_A_QUERY)] or [[]]
        live, found = None, None
        for chunk in chunks:
            listed = f"ARRAY_CONTAINS({json.dumps(chunk)}, {{}})"
            of_chunk = frames.live_documents(containers.read("monitored", f"SELECT * FROM c WHERE {listed.format('c.id')}"), key_paths)
            versions_of_chunk = versions_where(containers, listed.format("c.sourceId"), bodies="true")
            live = of_chunk if live is None else live.unionByName(of_chunk)
            found = versions_of_chunk if found is None else found.unionByName(versions_of_chunk)
    return live.join(names, "name", "left_semi"), found
