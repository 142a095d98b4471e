"""The state of each document as of a time: that version, absent, or unknown."""

from pyspark.sql import functions as F

from . import versions
from .frames import order_of, readable


def states(live, found, last_change, horizon=-1):
    """A row for each document that is live or has versions.

    `last_change` is the second of the last change that counts. `horizon` is that of the retention: versions that were replaced before it may
    have been deleted.

    Columns: `name`, `id`, `partitionKey`; `state` (`version`, `absent`, `unknown`); `version` (the id that `state` is about, or that shows that
    the document was absent); `since` (for `unknown`: from when on the history is complete); `mayBeDeleted`; `isLive` (the version is the live one);
    `exact`; `liveVersion`, `liveEtag`, `liveTs`, `liveBody` (null without a live document)."""
    known = _known_versions(readable(found), last_change, horizon)
    of_live = live.select(
        "name",
        F.col("id").alias("liveId"),
        F.col("partitionKey").alias("liveKey"),
        F.col("version").alias("liveVersion"),
        F.col("etag").alias("liveEtag"),
        F.col("ts").alias("liveTs"),
        F.col("body").alias("liveBody"),
    )
    joined = known.join(of_live, "name", "full_outer")
    exists = F.col("liveVersion").isNotNull()
    # The live document is the newest version, unless a newer one was captured after it was read.
    live_counts = exists & (F.col("liveTs") <= last_change)
    is_live = live_counts & ~F.coalesce(F.col("newest.sourceTs") > F.col("liveTs"), F.lit(False))
    captured = F.col("newest").isNotNull()
    since = F.greatest("atHorizon", F.when(exists & (F.col("liveTs") <= horizon), F.col("liveTs")))
    is_cut = F.coalesce(since > last_change, F.lit(False)) & F.lit(last_change < horizon)
    expires = F.col("newest.expiresAt")
    was_there = ~F.col("newest.operation").isin(*versions.REMOVALS) & (expires.isNull() | (expires > last_change))
    first_is_create = F.coalesce(F.col("first.operation") == "create", F.lit(False))
    state = (
        F.when(is_cut, "unknown")
        .when(is_live, "version")
        .when(captured & was_there, "version")
        .when(captured, "absent")
        .when(first_is_create, "absent")
        .otherwise("unknown")
    )
    version = F.when(is_live, F.col("liveVersion")).when(captured, F.col("newest.id")).when(first_is_create, F.col("first.id"))
    later = F.col("after.inferred")
    doubtful = F.when(is_live, False).otherwise(F.coalesce(later, ~exists))
    return joined.select(
        "name",
        F.coalesce("liveId", "sourceId").alias("id"),
        F.coalesce("liveKey", "partitionKey").alias("partitionKey"),
        state.alias("state"),
        F.when(state != "unknown", version).alias("version"),
        F.when(is_cut, since).when(state == "unknown", F.col("first.sourceTs")).alias("since"),
        ((state == "version") & doubtful).alias("mayBeDeleted"),
        F.coalesce(is_live & (state == "version"), F.lit(False)).alias("isLive"),
        F.when(is_live, True).otherwise(F.col("newest.exact")).alias("exact"),
        "liveVersion",
        "liveEtag",
        "liveTs",
        "liveBody",
    )


def _known_versions(found, last_change, horizon):
    """For each document: `newest` up to the last change, `atHorizon` (the second of the newest up to the horizon), `first` of all, and `after`
    the last change."""
    newest = order_of(["operation", "expiresAt", "exact"])
    oldest = order_of(["operation", "inferred"])
    until = F.col("sourceTs") <= last_change
    return found.groupBy("name").agg(
        F.first("sourceId").alias("sourceId"),
        F.first("partitionKey").alias("partitionKey"),
        F.max(F.when(until, newest)).alias("newest"),
        F.max(F.when(F.col("sourceTs") <= horizon, F.col("sourceTs"))).alias("atHorizon"),
        F.min(oldest).alias("first"),
        F.min(F.when(~until, oldest)).alias("after"),
    )
