"""The records of versions: their ids, and the versions that this program writes."""

from .large_values import digest, split_large_record
from .names import key_text, pk_of, without_system_properties

SCHEMA = 1
LARGE_FIELDS = ("document", "previous")
REMOVALS = ("delete", "expire")
OPERATIONS = ("write", "create", "replace") + REMOVALS
EXACT, GONE = "-exact", "-gone"
MAX_TTL = 2_147_483_647


def id_of_write(source_ts, etag):
    """The id of a version that is not a removal."""
    return f"{source_ts:010d}-{etag.strip(chr(34))}"


def id_of_removal_by(restore_id, source_ts, source_id, key):
    """The id of a removal by a restore."""
    return f"{source_ts:010d}-delete-{restore_id}-{digest(source_id + key_text(key, in_ascii=False))}"


def plain_id(version_id):
    """The id without the suffix of an exact record."""
    return version_id[: -len(EXACT)] if version_id.endswith(EXACT) else version_id


def refuse_omitted(records):
    """Raises ValueError for the first of the records, if there is one."""
    for record in records:
        fields = ", ".join(record["omitted"])
        raise ValueError(
            f"version {record['id']} was stored without {fields} (CHANGEFEED_OMITTED_FIELDS): the jobs in Spark do not support it, because they "
            "would not keep the live values; use changefeed restore and changefeed verify"
        )


def own_ttl(document):
    """The time to live that a document has of its own in seconds, -1 for never; None if it has none."""
    ttl = document.get("ttl") if isinstance(document, dict) else None
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or ttl != ttl or ttl in (float("inf"), float("-inf")):
        return None
    return int(ttl) if ttl == int(ttl) and (ttl == -1 or 1 <= ttl <= MAX_TTL) else None


def expires_at(source_ts, own, default_ttl):
    """The second at which a document expires; None if it does not. `default_ttl` is the container's: None where time to live is off."""
    if default_ttl is None:
        return None
    seconds = default_ttl if own is None else own
    return source_ts + seconds if seconds > 0 else None


def actor_of(document, fields):
    """Who wrote a document, as it claims: the first of the fields, each a list of names, that is a text and not empty."""
    for path in fields:
        value = document
        for segment in path:
            value = value.get(segment) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value[:256]
    return None


def of_live(live, key, default_ttl, actor_fields, captured_at, captured_by):
    """The record of a live document, as the monitored container returns it with its system properties."""
    document, source_ts, etag = without_system_properties(live), live["_ts"], live["_etag"]
    record = {"id": id_of_write(source_ts, etag), **pk_of(key), "sourceId": live["id"], "partitionKey": key}
    record.update({"operation": "write", "sourceTs": source_ts, "etag": etag})
    optional = {"actor": actor_of(document, actor_fields), "expiresAt": expires_at(source_ts, own_ttl(document), default_ttl)}
    record.update({name: value for name, value in optional.items() if value is not None})
    return {
        **record,
        "capturedAt": captured_at,
        "capturedBy": captured_by,
        "exact": True,
        "schema": SCHEMA,
        "document": document,
    }


def removal_by(restore_id, source_id, key, second, removed_lsn, captured_at):
    """The record of a delete by a restore. `removed_lsn` is the sequence number of the version that was removed, if it is known."""
    record = {"id": id_of_removal_by(restore_id, second, source_id, key), **pk_of(key), "sourceId": source_id, "partitionKey": key}
    record.update({"operation": "delete", "sourceTs": second})
    if removed_lsn is not None:
        record["lsn"] = removed_lsn + 1
    return {**record, "capturedAt": captured_at, "capturedBy": restore_id, "exact": True, "schema": SCHEMA}


def items_of(record):
    """The part items of a record of a version, and the record as it is stored."""
    owner = {name: record[name] for name in ("sourceId", "pk") if name in record}
    return split_large_record(record, LARGE_FIELDS, owner)


def scope_of(item):
    """The place of a record and of its parts in the changes container, as text."""
    return key_text([item.get("pk", {}), item.get("sourceId", {})])
