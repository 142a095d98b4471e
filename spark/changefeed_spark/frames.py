"""DataFrames of live documents and of versions, from the JSON text of items (the column `_rawBody`) or from an export as Parquet.

A live document: `name`, `id`, `partitionKey`, `version` (the id that its version has), `ts`, `etag`, `body` (with its system properties).

A version: `name`, `id`, `plainId`, `sourceId`, `partitionKey`, `operation`, `sourceTs`, `lsn`, `etag`, `exact`, `inferred`, `expiresAt`,
`isLarge`, `body` (the document), `damage` (why it cannot be read back; null if it can). Times are seconds since 1970.
`names.name_of` makes the name, and `partitionKey` is JSON text.
"""

import json

from pyspark.sql import functions as F
from pyspark.sql import types as T

from . import names, versions
from .large_values import reassemble

RAW = "_rawBody"
_LARGE_PROPERTIES = [f"{field}{suffix}" for field in versions.LARGE_FIELDS for suffix in ("Zstd", "Parts")]
_OUTLINE_PROPERTIES = [
    "id", "pk", "sourceId", "partitionKey", "operation", "sourceTs", "lsn", "etag", "expiresAt", "exact", "inferred", "schema",
]  # fmt: skip

_LIVE = T.StructType(
    [T.StructField(name, T.StringType()) for name in ("name", "id", "partitionKey", "version", "etag")]
    + [T.StructField("ts", T.LongType())]
)

_VERSION = T.StructType(
    [
        T.StructField(name, T.StringType())
        for name in ("name", "id", "plainId", "sourceId", "partitionKey", "operation", "etag", "body", "damage")
    ]
    + [T.StructField(name, T.LongType()) for name in ("sourceTs", "lsn", "expiresAt")]
    + [T.StructField(name, T.BooleanType()) for name in ("exact", "inferred", "isLarge")]
)


# Without a schema, the connector expects these properties in every row beside the JSON text.
_EXPECTED = ("id", "_ts", "_etag")


def select(properties):
    """The `SELECT` clause for these properties of items, and those that the connector expects."""
    return f"SELECT {', '.join(_property(name) for name in dict.fromkeys([*_EXPECTED, *properties]))}"


def live_query(key_paths):
    """The query for live documents without their bodies. `key_paths`: lists of property names."""
    return f"{select(path[0] for path in key_paths)} FROM c"


def outline_query(condition=None):
    """The query for versions without their documents."""
    large = [f"IS_DEFINED(c.{name}) AS {name}" for name in _LARGE_PROPERTIES]
    return f"{select(_OUTLINE_PROPERTIES)}, {', '.join(large)}, IS_OBJECT(c.document) AS isPlain FROM c WHERE {has_time(condition)}"


def has_time(condition=None):
    """The condition for versions that meet another one: part items have no time."""
    return f"IS_DEFINED(c.sourceTs){f' AND ({condition})' if condition else ''}"


IS_LARGE = "(" + " OR ".join(f"IS_DEFINED(c.{name})" for name in _LARGE_PROPERTIES) + ")"


def parts_query():
    """The query for all part items."""
    return f"{select(('pk', 'sourceId', 'partOf', 'data'))} FROM c WHERE IS_DEFINED(c.partOf)"


def _property(name):
    return "c[" + json.dumps(name) + "]"


def live_documents(raw, key_paths):
    """Live documents from their JSON text."""

    @F.udf(_LIVE)
    def parse(text):
        item = json.loads(text)
        key = names.key_of(item, key_paths)
        version = versions.id_of_write(item["_ts"], item["_etag"])
        name = names.name_of(key, item["id"])
        return name, item["id"], names.key_text(key), version, item["_etag"], item["_ts"]

    return raw.select(parse(RAW).alias("live"), F.col(RAW).alias("body")).select("live.*", "body")


def _outline(item):
    """The columns of a record, without its document, as a dict. Raises ValueError with what is wrong."""

    def typed(name, kind, required=True):
        value = item.get(name)
        is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if is_kind or (value is None and not required):
            return value
        found = "missing" if name not in item else names.dumps(value)[:40]
        raise ValueError(f"its property {name} is {found}")

    version_id, source_id = typed("id", str), typed("sourceId", str)
    key = names.key(item.get("partitionKey"))
    operation = typed("operation", str)
    if operation not in versions.OPERATIONS:
        raise ValueError(f"its operation is {operation!r}; allowed are {', '.join(versions.OPERATIONS)}")
    return {
        "name": names.name_of(key, source_id),
        "id": version_id,
        "plainId": versions.plain_id(version_id),
        "sourceId": source_id,
        "partitionKey": names.key_text(key),
        "operation": operation,
        "sourceTs": typed("sourceTs", int),
        "lsn": typed("lsn", int, required=False),
        "etag": typed("etag", str, required=False),
        "expiresAt": typed("expiresAt", int, required=False),
        "exact": typed("exact", bool),
        "inferred": bool(typed("inferred", bool, required=False)),
    }


def _unreadable(item, reason):
    """The columns of a record that cannot be read: what names it, as far as that is readable."""
    try:
        key = names.key(item.get("partitionKey"))
    except ValueError:
        key = []
    text = lambda value: value if isinstance(value, str) else ""  # noqa: E731
    return {
        "id": text(item.get("id")),
        "sourceId": text(item.get("sourceId")),
        "partitionKey": names.key_text(key),
        "damage": reason,
    }


def _version(item, parts):
    try:
        columns = _outline(item)
    except ValueError as error:
        return _unreadable(item, str(error))
    is_removal = columns["operation"] in versions.REMOVALS
    columns["isLarge"] = any(item.get(name) not in (None, False) for name in _LARGE_PROPERTIES)
    document = item.get("document")
    if columns["isLarge"] and parts is not None:
        try:
            document = reassemble(item, parts, versions.LARGE_FIELDS).get("document")
        except ValueError as error:
            columns["damage"] = f"reading record {columns['id']}: {error}"
    has_document = isinstance(document, dict) or item.get("isPlain") is True
    if not is_removal and not has_document and "damage" not in columns and not (columns["isLarge"] and parts is None):
        columns["damage"] = "it has no document"
    if isinstance(document, dict):
        columns["body"] = names.dumps(document)
    return columns


def stored_versions(raw, parts=None, with_bodies=True):
    """Versions from the JSON text of records, whole or as `outline_query` returns them.

    `parts`: the JSON text of part items. With it, large versions are reassembled; without it, they have neither `body` nor `damage`."""
    parse = F.udf(lambda text: _version_row(text, None), _VERSION)
    assemble = F.udf(_version_row, _VERSION)
    if parts is None:
        found = raw.select(parse(RAW).alias("version"))
    else:
        is_split = F.udf(lambda text: json.dumps(_place(json.loads(text))) if _is_large(json.loads(text)) else None)
        placed = raw.withColumn("place", is_split(RAW))
        small = placed.where("place IS NULL").select(parse(RAW).alias("version"))
        place_of_part = F.udf(lambda text: json.dumps(_place_of_part(json.loads(text))))
        id_and_data = F.udf(
            lambda text: (json.loads(text)["id"], json.loads(text).get("data")),
            T.StructType([T.StructField("id", T.StringType()), T.StructField("data", T.StringType())]),
        )
        grouped = parts.groupBy(place_of_part(RAW).alias("place")).agg(F.collect_list(id_and_data(RAW)).alias("parts"))
        large = placed.where("place IS NOT NULL").join(grouped, "place", "left")
        large = large.select(assemble(RAW, F.coalesce("parts", F.array())).alias("version"))
        found = small.unionByName(large)
    columns = [f"version.{field.name}" for field in _VERSION if with_bodies or field.name != "body"]
    return found.select(*columns)


def _version_row(text, parts):
    columns = _version(json.loads(text), None if parts is None else [(part["id"], part["data"]) for part in parts])
    return tuple(columns.get(field.name) for field in _VERSION)


def _is_large(item):
    return any(item.get(name) not in (None, False) for name in _LARGE_PROPERTIES)


def _place(record):
    return [versions.scope_of(record), record.get("id")]


def _place_of_part(part):
    return [versions.scope_of(part), part.get("partOf")]


def exported_versions(exported):
    """Versions from an export as Parquet (`changefeed history export`), which has no damaged versions."""
    key = F.udf(lambda text: names.key_text(names.key(json.loads(text))))
    name = F.udf(lambda text, source_id: names.name_of(names.key(json.loads(text)), source_id))
    plain = F.udf(versions.plain_id)
    return exported.select(
        name("partitionKey", "sourceId").alias("name"),
        "id",
        plain("id").alias("plainId"),
        "sourceId",
        key("partitionKey").alias("partitionKey"),
        "operation",
        "etag",
        F.col("document").alias("body"),
        F.lit(None).cast("string").alias("damage"),
        F.unix_seconds("sourceTs").alias("sourceTs"),
        F.col("lsn").cast("long"),
        F.unix_seconds("expiresAt").alias("expiresAt"),
        "exact",
        "inferred",
        F.lit(False).alias("isLarge"),
    )


def order_of(frame_columns=()):
    """The order of the versions of a document, as a struct that ends with these columns."""
    return F.struct(
        F.col("sourceTs"),
        F.coalesce("lsn", F.lit(0)).alias("number"),
        (F.col("exact") & ~F.col("inferred")).alias("isFinal"),
        F.col("id"),
        *[F.col(column) for column in frame_columns],
    )


def readable(found):
    """Versions whose record can be parsed: only these take part in the order of versions."""
    return found.where("name IS NOT NULL")
