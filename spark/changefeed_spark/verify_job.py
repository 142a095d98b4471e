"""A verification with Spark: what `changefeed verify` reports, for containers that one worker reads too slowly. It writes no container."""

import json
import time

from pyspark.sql import functions as F

from . import frames, names, verify
from .reading import about, check_key, check_nothing_omitted, erased_documents, stored, versions_where


def run(containers, folder, key_paths, *, grace=60, default_ttl=None, with_bodies=False, since=None, clock=time.time, sleep=time.sleep):
    """Compares the live documents with the history. Returns the findings, a DataFrame that is stored in `folder` too, and the counts.

    `key_paths`: the partition key of the monitored container, a list of paths. `grace`: how long capture may lag, in seconds. `default_ttl`: the
    time to live of the monitored container, None where it is off. `with_bodies`: compares the documents too. `since`: only documents and versions
    that were written from this second on, which the change feed lists; unreported deletes are then not looked for."""
    paths = [names.parse_key_path(path) for path in key_paths]
    if with_bodies:
        check_nothing_omitted(containers)
    erased = erased_documents(containers)
    live, found = _first_look(containers, folder, paths, with_bodies, since)
    read_until = clock()
    if since is None:
        check_key(live, found, paths)
    counts = {"documents": live.count(), "versions": found.count()}
    live, found = verify.not_erased(live, erased, "id"), verify.not_erased(found, erased, "sourceId")
    suspected = verify.suspicions(live, found, int(read_until), grace, with_bodies)
    if since is not None:
        suspected = suspected.where("kind <> 'gone'")
    suspected = stored(suspected, folder, "suspicions")
    kinds = verify.counts(suspected)
    if kinds.get("gone"):
        sleep(max(0.0, read_until + grace - clock()))
    findings = suspected.where("kind = 'pending'").select(*verify.COLUMNS)
    if set(kinds) - {"pending"}:
        suspicions = suspected.where("kind <> 'pending'")
        of_unreadable = suspicions.where("name IS NULL").count()
        live, found = about(suspicions.where("name IS NOT NULL"), paths, containers)
        if of_unreadable:
            found = found.unionByName(_unreadable(containers, suspicions)).dropDuplicates(["id", "partitionKey", "sourceId"])
        live, found = stored(live, folder, "live-again"), stored(found, folder, "versions-again")
        again = verify.confirmed(suspicions, live, found, int(clock()), grace, default_ttl, with_bodies)
        findings = findings.unionByName(again)
    findings = stored(findings.unionByName(_unknown_identities(containers)), folder, "findings")
    return findings, {**counts, **verify.counts(findings)}


def _first_look(containers, folder, paths, with_bodies, since):
    if since is not None:
        raw = containers.changed_since("monitored", since)
        live = frames.live_documents(raw, paths).where(F.col("ts") >= since)
    else:
        raw = containers.read("monitored", "SELECT * FROM c" if with_bodies else frames.live_query(paths))
        live = frames.live_documents(raw, paths)
    condition = None if since is None else f"c.sourceTs >= {int(since)}"
    found = versions_where(containers, condition, bodies="true" if with_bodies else None)
    columns = None if with_bodies else [column for column in live.columns if column != "body"]
    # The live documents are read first: a version that is captured in between is then found.
    return stored(live, folder, "live", columns), stored(found, folder, "versions")


def _unreadable(containers, suspicions):
    """Records that cannot be parsed, as they are now."""
    ids = [row["version"] for row in suspicions.where("name IS NULL").select("version").collect()]
    return versions_where(containers, f"ARRAY_CONTAINS({json.dumps(ids)}, c.id)", bodies="true")


def _unknown_identities(containers):
    """A finding for each dead letter that is a change of a document whose id or key is not known."""
    raw = containers.read("deadLetters", f"{frames.select(['message'])} FROM c WHERE c.reason = 'unknown-identity'")
    letter = F.from_json(frames.RAW, "id string, message string").alias("letter")
    nothing = F.lit(None).cast("string")
    return raw.select(letter).select(
        F.lit("unknownIdentity").alias("kind"),
        F.lit("").alias("id"),
        F.lit("[]").alias("partitionKey"),
        F.col("letter.id").alias("version"),
        F.col("letter.message").alias("message"),
        nothing.alias("name"),
    )
