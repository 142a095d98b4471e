"""Compares live documents with the history: the findings of `changefeed verify`, as DataFrames.

A finding: `kind`, `id`, `partitionKey` (JSON text), `version`, `message`, and the `name` of the document. Kinds are those of
`docs/reference/format.md`, and `pending` for a document that cannot be judged yet because capture may lag. `altered` is only found with bodies:
the live version is stored exactly, and with another document.

One pass over both containers gives suspicions, because both change while they are read. `confirmed` takes a second look at the documents
in question, at least the grace time later.
"""

import json
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from . import names, versions
from .frames import order_of, readable

COLUMNS = ["kind", "id", "partitionKey", "version", "message", "name"]


def _no_message():
    return F.lit(None).cast("string").alias("message")


def not_erased(frame, erased, id_column):
    """The rows that are not about erased documents."""
    if not erased.hashes:
        return frame
    is_erased = F.udf(lambda key, name: erased.contains(names.key(json.loads(key)), name), T.BooleanType())
    return frame.where(~is_erased("partitionKey", id_column))


def live_findings(live, found, now, grace):
    """What is wrong with the versions of live documents. `now` and `grace` are in seconds, by the clock of the service."""
    found = readable(found)
    stored = found.groupBy("name", F.col("plainId").alias("version")).agg(F.max("exact").alias("isExact"))
    known = found.groupBy("name").agg(F.lit(True).alias("isKnown"))
    joined = live.join(stored, ["name", "version"], "left").join(known, "name", "left")
    kind = (
        F.when(F.col("isExact"), None)
        .when(F.col("isExact").isNotNull(), "inexact")
        .when(F.lit(now) - F.col("ts") < grace, "pending")
        .when(F.col("isKnown"), "missing")
        .otherwise("neverCaptured")
    )
    return joined.withColumn("kind", kind).where("kind IS NOT NULL").select(
        "kind", "id", "partitionKey", "version", _no_message(), "name"
    )  # fmt: skip


def altered(live, found):
    """Live documents whose version is stored exactly with another document. Both sides need bodies."""
    differs = F.udf(lambda body, stored: _content(body) != names.canonical(json.loads(stored)), T.BooleanType())
    stored = readable(found).where("exact AND body IS NOT NULL").select(
        "name", F.col("plainId").alias("version"), F.col("body").alias("stored")
    )  # fmt: skip
    joined = live.join(stored, ["name", "version"]).where(differs("body", "stored"))
    message = F.lit("the stored document differs from the live one").alias("message")
    return joined.select(F.lit("altered").alias("kind"), "id", "partitionKey", "version", message, "name").distinct()


def _content(body):
    return names.canonical(names.without_system_properties(json.loads(body)))


def newest_versions(found):
    """The newest version of each document: `name`, `id`, `sourceId`, `partitionKey`, `operation`, `sourceTs`, `expiresAt`, `body` if there
    is one."""
    carried = ["sourceId", "partitionKey", "operation", "expiresAt"] + (["body"] if "body" in found.columns else [])
    newest = readable(found).groupBy("name").agg(F.max(order_of(carried)).alias("newest"))
    return newest.select("name", "newest.*")


def _gone(live, found):
    newest = newest_versions(found).where(~F.col("operation").isin(*versions.REMOVALS))
    return newest.join(live.select("name"), "name", "left_anti")


def _gone_findings(rows, kind):
    version, document_id = F.col("id").alias("version"), F.col("sourceId").alias("id")
    return rows.select(kind.alias("kind"), document_id, "partitionKey", version, _no_message(), "name")


def gone(live, found, now):
    """Documents that do not exist, and whose newest version has not expired and is not a delete."""
    unexpired = F.col("expiresAt").isNull() | (F.col("expiresAt") > now)
    return _gone_findings(_gone(live, found).where(unexpired), F.lit("gone"))


def incomplete(found):
    """Versions that cannot be read back."""
    return found.where("damage IS NOT NULL").select(
        F.lit("incomplete").alias("kind"),
        F.col("sourceId").alias("id"),
        "partitionKey",
        F.col("id").alias("version"),
        F.col("damage").alias("message"),
        "name",
    )


def suspicions(live, found, now, grace, with_bodies=False):
    """What one pass over both containers finds: suspicions, and pending documents."""
    parts = [live_findings(live, found, now, grace), gone(live, found, now), incomplete(found)]
    if with_bodies:
        parts.append(altered(live, found))
    return reduce(DataFrame.unionByName, parts).select(*COLUMNS)


def confirmed(suspected, live, found, now, grace, default_ttl=None, with_bodies=False):
    """The findings among suspicions, by a second look that began at least the grace time after the first one had ended.

    `live` and `found` have at least the documents and versions that the suspicions name, read again with bodies. `default_ttl` is the time to
    live of the monitored container: None where it is off, -1 where only documents with one of their own expire."""
    about = lambda *kinds: suspected.where(F.col("kind").isin(*kinds))  # noqa: E731
    of_live = about("missing", "neverCaptured", "inexact").select("name").distinct()
    again = live_findings(live.join(of_live, "name", "left_semi"), found, now, grace)
    wrong = about("incomplete").select("id", "partitionKey", "version").distinct()
    damaged = incomplete(found).join(wrong, ["id", "partitionKey", "version"], "left_semi")
    parts = [again.select(*COLUMNS), damaged.select(*COLUMNS), _confirmed_gone(about("gone"), live, found, now, grace, default_ttl)]
    if with_bodies:
        of_bodies = about("altered").select("name").distinct()
        parts.append(altered(live.join(of_bodies, "name", "left_semi"), found).select(*COLUMNS))
    return reduce(DataFrame.unionByName, parts)


def _confirmed_gone(suspected, live, found, now, grace, default_ttl):
    by_now = F.udf(
        lambda ts, body: versions.expires_at(ts, versions.own_ttl(json.loads(body)) if body else None, default_ttl), T.LongType()
    )
    missing = _gone(live, found).join(suspected.select("name", F.col("version").alias("suspected")), "name")
    expires = F.least("expiresAt", by_now("sourceTs", "body"))
    kind = (
        F.when(F.col("id") != F.col("suspected"), "pending")
        .when(expires <= now, None)
        .when(expires <= now + grace, "pending")
        .otherwise("gone")
    )
    return _gone_findings(missing, kind).where("kind IS NOT NULL")


def counts(findings):
    """The number of findings of each kind, as a dict."""
    return {row["kind"]: row["count"] for row in findings.groupBy("kind").count().collect()}
