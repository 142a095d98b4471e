"""A restore with Spark: many documents back to their state at a time, recorded as `changefeed restore` records it.

The order of the steps is what makes it safe to kill the job at any instant, and to run it again with the same working folder:

1. The plan is made and stored in the folder. It is not made again.
2. The record and the pages with the plan are stored in the jobs container. From here on an undo knows what may be written.
3. The live versions that the history does not have are stored in it.
4. The documents are written, each only over the etag that the plan saw.
5. What was written is read back, by the fields that the restore gives each document. The pages get the outcome, and the record its end.
"""

import json
import time
from datetime import datetime, timezone

from pyspark.sql import functions as F
from pyspark.sql import types as T

from . import as_of, frames, job_records, names, plan, versions
from .reading import check_key, check_nothing_omitted, erased_documents, items_of_jobs, stored, versions_where
from .verify import not_erased

_ATTEMPTS = 10


class Restore:
    """A restore. Its working folder identifies it: the same folder continues it."""

    def __init__(self, containers, folder, key_paths, *, default_ttl=None, actor_fields=(), id_field="restore_id", at_field="restored_at",
                 clock=time.time):  # fmt: skip
        """`key_paths`: the partition key of the monitored container. `default_ttl`: its time to live, None where it is off. `actor_fields`: those of
        `CHANGEFEED_ACTOR_FIELDS`, each a list of names. `id_field` and `at_field`: `CHANGEFEED_RESTORE_ID_FIELD`, which must be set, and
        `CHANGEFEED_RESTORED_AT_FIELD`, which may be None."""
        if not id_field:
            raise ValueError("id_field is empty: a restore with Spark finds its own writes by it; name a field")
        self.containers, self.folder, self.clock = containers, folder, clock
        self.paths = [names.parse_key_path(path) for path in key_paths]
        self.default_ttl, self.actor_fields = default_ttl, actor_fields
        self.id_field, self.at_field = id_field, at_field
        self.spark = containers.spark

    def plan(self, before, *, where=None, changed=None, documents=None, delete_created_after=False, requested_by=None, reason=None):
        """Plans to restore documents to their state before a second since 1970, and stores the plan in the folder. Returns the plan and the number of
        documents by action. Raises ValueError for a history that omits fields of documents. `plan.selected` explains the selection."""
        check_nothing_omitted(self.containers)
        now = self._now()
        restore_id, started_at = job_records.new_id(now), job_records.timestamp(now)
        last_change = int(before) - 1
        live = stored(frames.live_documents(self.containers.read("monitored"), self.paths), self.folder, "live")
        found = versions_where(self.containers, bodies=f"c.sourceTs <= {last_change}")
        found = stored(found, self.folder, "versions")
        check_key(live, found, self.paths)
        horizon = items_of_jobs(self.containers, ["retention"]).get("retention", {}).get("horizon", -1)
        erased = erased_documents(self.containers)
        live, found = not_erased(live, erased, "id"), not_erased(found, erased, "sourceId")
        states = plan.with_targets(as_of.states(live, found, last_change, horizon), found)
        states = plan.with_saved(plan.selected(states, found, where, changed, documents), found)
        stamp = plan.Stamp(restore_id, int(now.timestamp()), self.id_field, self.at_field)
        options = {"default_ttl": self.default_ttl, "actor_fields": self.actor_fields, "delete_created_after": delete_created_after}
        planned = plan.planned(states, stamp, captured_at=started_at, **options)
        planned = stored(planned, self.folder, "plan")
        counts = _counts(planned)
        request = {"before": _time(int(before)), "spark": _described(where, changed, documents, delete_created_after)}
        record = job_records.record(restore_id, request, counts, started_at, requested_by, reason)
        head = {"record": record, "second": int(now.timestamp()), "counts": counts}
        self.spark.createDataFrame([(json.dumps(head),)], "head string").coalesce(1).write.mode("overwrite").text(f"{self.folder}/head")
        return planned, counts

    def execute(self):
        """Executes the plan in the folder, or continues to. Returns the record of the restore as it is stored."""
        head = json.loads(self.spark.read.text(f"{self.folder}/head").collect()[0][0])
        record = head["record"]
        stamp = plan.Stamp(record["id"], head["second"], self.id_field, self.at_field)
        check_nothing_omitted(self.containers)
        planned = plan.without_erased(self.spark.read.parquet(f"{self.folder}/plan"), erased_documents(self.containers))
        pages = job_records.pages(_listed(planned), record["id"], "planned", sum(head["counts"].values()))
        self._append("jobs", [record])
        if self._stored_record(record["id"])["state"] != "running":
            raise RuntimeError(f"restore {record['id']} has ended; plan another one, in another folder")
        self.containers.write("jobs", pages, "ItemAppend")
        self._save_versions(planned)
        self._check_not_cancelled(record["id"])
        self._write_documents(planned)
        done = stored(self._outcomes(planned, stamp), self.folder, "outcomes")
        self._record_removals(done, record["id"])
        self._finish_pages(done, record["id"], head)
        return self._end(record["id"], _counts(done))

    def _save_versions(self, planned):
        """The parts of a version come first: a version that can be read is complete."""
        parts = planned.where("save IS NOT NULL").select(F.explode("saveParts").alias(frames.RAW))
        self.containers.write("changes", parts, "ItemAppend")
        self.containers.write("changes", planned.where("save IS NOT NULL").select(F.col("save").alias(frames.RAW)), "ItemAppend")

    def _write_documents(self, planned):
        under = F.udf(lambda text, etag: names.dumps({**json.loads(text), "_etag": etag} if etag else json.loads(text)))
        body = under("document", "etag").alias(frames.RAW)
        upserts = planned.where("document IS NOT NULL AND action IN ('create', 'replace')")
        self.containers.write("monitored", upserts.select(body), "ItemOverwriteIfNotModified")
        deletes = planned.where("document IS NOT NULL AND action = 'delete'")
        self.containers.write("monitored", deletes.select(body), "ItemDeleteIfNotModified")

    def _outcomes(self, planned, stamp):
        query = f"SELECT * FROM c WHERE c[{json.dumps(self.id_field)}] = {json.dumps(stamp.restore_id)}"
        written = frames.live_documents(self.containers.read("monitored", query), self.paths)
        live_names = None
        if planned.where("action = 'delete'").limit(1).count():
            live_names = frames.live_documents(self.containers.read("monitored", frames.live_query(self.paths)), self.paths)
        return plan.outcomes(planned, written, live_names, stamp)

    def _record_removals(self, done, restore_id):
        """The change feed may not report a delete, so the restore records it."""
        now = self._now()
        second, captured_at = int(now.timestamp()), job_records.timestamp(now)

        @F.udf
        def removal(document_id, key, version, lsn):
            removed_at = max(second, int(version[:10]))
            return names.dumps(versions.removal_by(restore_id, document_id, json.loads(key), removed_at, lsn, captured_at))

        removed = done.where("isRemoved")
        raw = removal("id", "partitionKey", "liveVersion", F.col("liveLsn").cast(T.LongType()))
        marked = f"CONTAINS(c.id, {json.dumps(f'-delete-{restore_id}-')})"
        known = self.containers.read("changes", f"{frames.select(['sourceId'])} FROM c WHERE {marked}")
        # A job that is run again has recorded some of them, with an earlier time.
        recorded = known.select(F.get_json_object(frames.RAW, "$.sourceId").alias("id")).distinct()
        self.containers.write("changes", removed.join(recorded, "id", "left_anti").select(raw.alias(frames.RAW)), "ItemAppend")

    def _finish_pages(self, done, restore_id, head):
        pages = job_records.pages(_listed(done), restore_id, "done", sum(head["counts"].values()))
        query = f"{frames.select([])} FROM c WHERE c.jobId = {json.dumps(restore_id)} AND c.kind = 'restore-items'"
        page = F.from_json(frames.RAW, "id string, _etag string").alias("page")
        etags = self.containers.read("jobs", query).select(page).select(F.col("page.id").alias("pageId"), F.col("page._etag").alias("etag"))
        # A page that an erasure has changed meanwhile is left as it is.
        self.containers.write("jobs", job_records.with_etags(pages, etags), "ItemOverwriteIfNotModified")

    def _check_not_cancelled(self, restore_id):
        state = self._stored_record(restore_id)["state"]
        if state != "running":
            raise RuntimeError(f"restore {restore_id} is {state}: no document was written")

    def _end(self, restore_id, counts):
        for _ in range(_ATTEMPTS):
            stored_record = self._stored_record(restore_id)
            record = job_records.ended(stored_record, counts, job_records.timestamp(self._now()))
            self._write("jobs", [record], "ItemOverwriteIfNotModified")
            stored_record = self._stored_record(restore_id)
            if stored_record.get("finishedAt") == record["finishedAt"] and stored_record["state"] == record["state"]:
                return names.without_system_properties(stored_record)
        raise RuntimeError(f"the record of restore {restore_id} could not be ended: it changed {_ATTEMPTS} times; run the job again")

    def _stored_record(self, restore_id):
        found = items_of_jobs(self.containers, [restore_id]).get(restore_id)
        if found is None:
            raise RuntimeError(f"the record of restore {restore_id} was not stored; check the access to the container of the jobs")
        return found

    def _append(self, role, items):
        self._write(role, items, "ItemAppend")

    def _write(self, role, items, strategy):
        frame = self.spark.createDataFrame([(names.dumps(item),) for item in items], f"{frames.RAW} string")
        self.containers.write(role, frame, strategy)

    def _now(self):
        return datetime.fromtimestamp(self.clock(), timezone.utc)


def _listed(planned):
    """What the pages list: not the documents that were as they should be, which may be nearly all of them."""
    return planned.where("action <> 'unchanged'").select("name", "item")


def _counts(planned):
    return {row["action"]: row["count"] for row in planned.groupBy("action").count().collect()}


def _time(second):
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _described(where, changed, documents, delete_created_after):
    """The selection as the record describes it."""
    described = {"where": where if isinstance(where, str) else None if where is None else str(where)}
    if changed is not None:
        described["changed"] = [_time(second) for second in changed]
    described["documents"] = True if documents is not None else None
    described["deleteCreatedAfter"] = delete_created_after or None
    return {name: value for name, value in described.items() if value is not None}
