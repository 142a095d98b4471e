"""The plan of a restore: for each document what is written over which live version, and what is saved to the history before.

A row of a plan: `name`, `id`, `partitionKey`, `action`, `item` (the item of a page of a restore, as `docs/reference/format.md` has it), `etag`
(that of the live document, null if there is none), `document` (what is written, without the etag; null for a delete and if nothing is written),
`save` (the record of the live version that is to be saved first), `saveParts` (its part items).
"""

import json

from pyspark.sql import functions as F
from pyspark.sql import types as T

from . import names, versions
from .difference import changes
from .frames import readable
from .large_values import MAX_RECORD_BYTES

MAX_RECORDED_CHANGES = 2000
WRITES = ("create", "replace", "delete")
_PLANNED = T.StructType(
    [T.StructField(name, T.StringType()) for name in ("action", "item", "document", "save")]
    + [T.StructField("saveParts", T.ArrayType(T.StringType()))]
)
_REWRITTEN = "date-time strings of this version may have been rewritten by the Functions host"
# "PartitionKey.None can't be used with multiple paths": the containers of the history have two.
_NO_KEY = "a value of its partition key is missing, and the connector cannot write that; restore it with changefeed restore run"
_ERASED = "the document is erased"
_MAY_BE_DELETED = "it may have been deleted before the target time: no delete is recorded, but it was missing later"


class Stamp:
    """The fields by which a restore recognizes what it wrote."""

    def __init__(self, restore_id, second, id_field="restore_id", at_field="restored_at"):
        self.restore_id, self.id_field, self.at_field = restore_id, id_field, at_field
        self.fields = {id_field: restore_id, **({at_field: second} if at_field else {})}

    def without(self, document):
        """A document without the fields of a stamp."""
        return {name: value for name, value in document.items() if name not in self.fields}


def selected(states, found, where=None, changed=None, documents=None):
    """The states of the documents to restore.

    `where`: a condition over `id`, `partitionKey`, `target` and `live` (JSON texts of the document then and now, null if there is none).
    `changed`: the first and the last second of a window; only documents that changed in it. `documents`: a DataFrame with `id` and `partitionKey`
    (JSON text of the array of its components)."""
    if changed is not None:
        first, last = changed
        in_window = readable(found).where(F.col("sourceTs").between(first, last)).select("name").distinct()
        now_in_window = states.where(F.col("liveTs").between(first, last)).select("name")
        states = states.join(in_window.union(now_in_window).distinct(), "name", "left_semi")
    if documents is not None:
        name = F.udf(lambda document_id, key: names.name_of(names.key(json.loads(key)), document_id))
        states = states.join(documents.select(name("id", "partitionKey").alias("name")).distinct(), "name", "left_semi")
    if where is not None:
        states = states.withColumn("live", F.col("liveBody")).where(where).drop("live")
    return states


def with_targets(states, found):
    """The states with `target`, the document that is restored, and `targetDamage`, why it cannot be read back."""
    bodies = readable(found).select("name", F.col("id").alias("version"), F.col("body").alias("stored"), "damage").dropDuplicates(
        ["name", "version"]
    )
    joined = states.join(bodies, ["name", "version"], "left")
    is_version = F.col("state") == "version"
    target = F.when(F.col("isLive"), F.col("liveBody")).when(is_version, F.col("stored"))
    damage = F.when(is_version & ~F.col("isLive"), F.coalesce("damage", F.when(F.col("stored").isNull(), F.lit("it has no document"))))
    return joined.withColumn("target", target).withColumn("targetDamage", damage).drop("stored", "damage")


def with_saved(states, found):
    """The states with `savedAs`, the exact record that the history has of the live version (null if there is none), and `saveAs`, the id of the
    record to write."""
    records = readable(found).groupBy("name", F.col("plainId").alias("liveVersion")).agg(
        F.min(F.when(F.col("exact") & F.col("damage").isNull(), F.col("id"))).alias("savedAs"),
        F.max(F.col("id") == F.col("plainId")).alias("hasPlain"),
        F.max(F.col("id") != F.col("plainId")).alias("hasTwin"),
        F.max("lsn").alias("liveLsn"),
    )  # fmt: skip
    joined = states.join(records, ["name", "liveVersion"], "left")
    twin = F.concat("liveVersion", F.lit(versions.EXACT))
    save_as = (
        F.when(F.col("savedAs").isNotNull() | F.col("liveVersion").isNull(), None)
        .when(~F.coalesce("hasPlain", F.lit(False)), F.col("liveVersion"))
        .when(~F.coalesce("hasTwin", F.lit(False)), twin)
    )
    return joined.withColumn("saveAs", save_as).drop("hasPlain", "hasTwin")


def planned(states, stamp, *, captured_at, default_ttl=None, actor_fields=(), delete_created_after=False):
    """The plan, from states with targets and saved versions."""

    @F.udf(_PLANNED)
    def plan(row):
        return _plan(row.asDict(), stamp, captured_at, default_ttl, actor_fields, delete_created_after)

    columns = [
        "id", "partitionKey", "state", "version", "since", "mayBeDeleted", "exact", "liveVersion", "liveEtag", "liveBody", "target",
        "targetDamage", "savedAs", "saveAs",
    ]  # fmt: skip
    rows = states.withColumn("plan", plan(F.struct(*columns)))
    return rows.select("name", "id", "partitionKey", "liveVersion", "liveLsn", F.col("liveEtag").alias("etag"), "plan.*")


def _plan(row, stamp, captured_at, default_ttl, actor_fields, delete_created_after):
    live = json.loads(row["liveBody"]) if row["liveBody"] else None
    before = None if live is None else stamp.without(names.without_system_properties(live))
    item = {"id": row["id"], "partitionKey": json.loads(row["partitionKey"])}
    action, message, after, target = _action(row, before, stamp, delete_created_after)
    item["action"] = action
    document, save, parts = None, None, None
    if action in WRITES or action == "conflict":
        shown = changes(before, after)
        if shown and len(names.dumps(shown)) <= MAX_RECORDED_CHANGES:
            item["changes"] = shown
    if row["state"] == "version" and action not in ("unknown", "failed"):
        item["version"] = row["version"]
    if live is not None and (row["state"] == "version" or action == "delete"):
        item["replacedVersion"] = row["savedAs"] or row["saveAs"] or row["liveVersion"]
        item["liveEtag"] = row["liveEtag"]
    if action in ("create", "replace"):
        document = {**target, **stamp.fields}
        if names.byte_size(document) > MAX_RECORD_BYTES:
            action, document = "failed", None
            message = "the document is too large for the fields of the restore; restore it with changefeed restore run"
    if action in ("replace", "delete") and row["savedAs"] is None:
        if row["saveAs"] is None:
            action, document = "failed", None
            message = f"the history is damaged: neither {row['liveVersion']} nor {row['liveVersion']}{versions.EXACT} is exact"
        else:
            record = versions.of_live(live, item["partitionKey"], default_ttl, actor_fields, captured_at, stamp.restore_id)
            parts, record = versions.items_of({**record, "id": row["saveAs"]})
            save, parts = names.dumps(record), [names.dumps(part) for part in parts]
    if action in WRITES and {} in item["partitionKey"]:
        action, document, save, parts = "failed", None, None, None
        message = _NO_KEY
    if action == "failed":
        item = {"id": item["id"], "partitionKey": item["partitionKey"], "action": action}
    if action == "delete":
        document = live
    if message is not None:
        item["message"] = message
    return action, names.dumps(item), None if document is None else names.dumps(document), save, parts


def _action(row, before, stamp, delete_created_after):
    """The action, its message, the content after it without a stamp, and the document that is restored."""
    if row["state"] == "unknown":
        message = "the document has no versions"
        if row["since"] is not None:
            message = f"the history of the document reaches back to {_time(row['since'])}"
        return "unknown", message, None, None
    if row["state"] == "absent":
        message = f"it did not exist at the target: {row['version']}"
        action = "delete" if delete_created_after and before is not None else "unchanged"
        return action, message, None, None
    if row["targetDamage"] is not None:
        return "failed", row["targetDamage"], None, None
    target = names.without_system_properties(json.loads(row["target"]))
    after = stamp.without(target)
    if before is not None and names.canonical(before) == names.canonical(after):
        return "unchanged", None, after, target
    if not row["exact"]:
        return "conflict", _REWRITTEN, after, target
    message = None
    ttl = versions.own_ttl(target)
    if row["mayBeDeleted"]:
        message = _MAY_BE_DELETED
    elif ttl is not None and ttl > 0:
        message = f"its time to live of {ttl} s starts again"
    return "create" if before is None else "replace", message, after, target


def _time(second):
    from datetime import datetime, timezone

    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_erased(plan, erased):
    """The plan, in which nothing is written or saved of erased documents, and which does not name them. Their rows stay, so that the other
    documents stay on their pages."""
    if not erased.hashes:
        return plan
    is_erased = F.udf(lambda key, document_id: erased.contains(names.key(json.loads(key)), document_id), T.BooleanType())
    nameless = names.dumps({"id": "", "partitionKey": [], "action": "unknown", "message": _ERASED})
    instead = {"action": F.lit("unknown"), "item": F.lit(nameless)}
    nothing = {"document": F.lit(None).cast("string"), "save": F.lit(None).cast("string"), "saveParts": F.array().cast("array<string>")}
    marked = plan.withColumn("isErased", is_erased("partitionKey", "id") & (F.col("action") != "unchanged"))
    for name, value in {**instead, **nothing}.items():
        marked = marked.withColumn(name, F.when(F.col("isErased"), value).otherwise(F.col(name)))
    return marked.drop("isErased")


def outcomes(plan, written, live_names, stamp):
    """The plan with the outcome of its writes in `action` and `item`, and `isRemoved` for documents that were deleted.

    `written`: live documents with the stamp of the restore. `live_names`: the names of all live documents, or null if nothing is deleted."""
    found = written.select("name", F.col("etag").alias("newEtag"), F.col("body").alias("newBody"))
    joined = plan.join(found, "name", "left")
    is_live = F.lit(True)
    if live_names is not None:
        still = live_names.select("name").distinct().withColumn("isLive", F.lit(True))
        joined = joined.join(still, "name", "left")
        is_live = F.coalesce("isLive", F.lit(False))
    joined = joined.withColumn("stillLive", is_live)
    finish = F.udf(
        lambda row: _outcome(row, stamp),
        T.StructType([T.StructField(name, T.StringType()) for name in ("action", "item")]),
    )
    row = F.struct("action", "item", "document", "newEtag", "newBody", "stillLive")
    done = joined.withColumn("done", F.when(F.col("action").isin(*WRITES), finish(row)))
    removed = (F.col("action") == "delete") & ~F.col("stillLive")
    return done.select(
        "name",
        "id",
        "partitionKey",
        "liveVersion",
        "liveLsn",
        F.coalesce("done.action", "action").alias("action"),
        F.coalesce("done.item", "item").alias("item"),
        removed.alias("isRemoved"),
    )


def _outcome(row, stamp):
    item = json.loads(row["item"])
    if row["action"] == "delete":
        is_done = not row["stillLive"]
    else:
        is_done = row["newBody"] is not None
        if is_done:
            now = names.without_system_properties(json.loads(row["newBody"]))
            # Without the etag, an undo compares the bodies: the document was changed again after the restore had written it.
            if names.canonical(now) == names.canonical(json.loads(row["document"])):
                item["restoredEtag"] = row["newEtag"]
    if not is_done:
        item["action"], item["message"] = "conflict", "it has changed since the plan"
    return item["action"], names.dumps(item)
