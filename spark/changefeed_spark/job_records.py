"""The record of a restore in the jobs container, and the pages of its items: what `changefeed restore show`, `undo` and the console read."""

import json
import math
import secrets
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

from . import names
from .versions import SCHEMA

PAGE_ITEMS = 100
# Pages of a part: their numbers have five digits.
PART_PAGES = 1000
COUNTS = ("create", "replace", "delete", "unchanged", "unknown", "conflict", "failed")
# Not the name of a machine: no worker of changefeed takes over the job.
ONLY_ON = "Apache Spark"


def timestamp(now=None):
    """A time as records have it: RFC 3339 in UTC with milliseconds."""
    now = now or datetime.now(timezone.utc)
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def new_id(now):
    """A new id of a restore."""
    return f"{int(now.timestamp()):010d}-{secrets.token_hex(4)}"


def state_of(counts):
    """The state of a restore that has ended with these counts."""
    for kind, state in (("failed", "failed"), ("conflict", "conflicts"), ("unknown", "unknowns")):
        if counts.get(kind):
            return state
    return "done"


def record(restore_id, request, counts, started_at, requested_by=None, reason=None):
    """The record of a restore that has stored its plan and is about to write. `counts`: the documents by action."""
    total = sum(counts.values())
    optional = {"requestedBy": requested_by, "reason": reason}
    return {
        "id": restore_id,
        "kind": "restore",
        "state": "running",
        "request": request,
        **{name: value for name, value in optional.items() if value},
        "startedAt": started_at,
        "counts": {action: counts.get(action, 0) for action in COUNTS},
        "requestCharge": 0.0,
        "job": {"done": 0, "total": total, "slices": 1, "onlyOn": ONLY_ON, "updatedAt": started_at},
        "schema": SCHEMA,
    }


def ended(stored, counts, finished_at):
    """The record of a restore that has ended. A cancelled one stays cancelled."""
    state = stored["state"] if stored["state"] == "cancelled" else state_of(counts)
    job = {**stored["job"], "done": sum(counts.values()), "updatedAt": finished_at}
    counts = {action: counts.get(action, 0) for action in COUNTS}
    return {**stored, "state": state, "counts": counts, "finishedAt": finished_at, "job": job}


def pages(items, restore_id, state, expected):
    """The pages of items as JSON text: `pageId`, `_rawBody`. Each item is on the same page whenever it is called with the same items.

    `items`: a DataFrame with `name` and `item`. `expected`: about how many there are."""
    parts = max(1, math.ceil(expected / (PAGE_ITEMS * PART_PAGES)))
    part = F.pmod(F.xxhash64("name"), F.lit(parts))
    number = F.row_number().over(Window.partitionBy("part").orderBy("name")) - 1
    placed = items.withColumn("part", part).withColumn("page", F.floor(number / PAGE_ITEMS))

    @F.udf
    def page(part_number, page_number, sorted_items):
        page_id = _page_id(restore_id, part_number, page_number)
        planned = [json.loads(entry["item"]) for entry in sorted_items]
        return names.dumps(
            {
                "id": page_id,
                "kind": "restore-items",
                "jobId": restore_id,
                "state": state,
                "items": planned,
                "lookedAt": len(planned),
                "schema": SCHEMA,
            }
        )

    together = placed.groupBy("part", "page").agg(F.sort_array(F.collect_list(F.struct("name", "item"))).alias("items"))
    page_id = F.format_string(f"{restore_id}-items-execute-%03d-%05d", "part", "page")
    return together.select(page_id.alias("pageId"), page("part", "page", "items").alias("_rawBody"))


def _page_id(restore_id, part, page):
    return f"{restore_id}-items-execute-{part:03d}-{page:05d}"


def with_etags(items, etags):
    """Items as JSON text with the etags under which they are replaced. `etags`: `pageId`, `etag`."""
    add = F.udf(lambda text, etag: names.dumps({**json.loads(text), "_etag": etag}))
    return items.join(etags, "pageId").select(add("_rawBody", "etag").alias("_rawBody"))
