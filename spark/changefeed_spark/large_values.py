"""Fields of records that are too large for an item: compressed, or compressed and split over part items."""

import base64
import hashlib
import json

from .names import byte_size, dumps

MAX_RECORD_BYTES = 1_900_000
MAX_RECORD_DEPTH = 120
MAX_PART_BYTES = 1_800_000
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
LEVEL = 3


def digest(text):
    """A short name of a text: the first eight bytes of its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _zstandard():
    try:
        import zstandard
    except ImportError as error:
        message = "a record has a compressed field: install the Python package zstandard on the cluster (spark/requirements.txt)"
        raise RuntimeError(message) from error
    return zstandard


def _compress(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        encoded = dumps(value).encode("ascii")
    return base64.b64encode(_zstandard().ZstdCompressor(level=LEVEL).compress(encoded)).decode("ascii")


def _decompress(encoded):
    """Raises ValueError with what is wrong with the text."""
    zstandard = _zstandard()
    try:
        compressed = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ValueError(f"not base64: {error}") from error
    try:
        with zstandard.ZstdDecompressor().stream_reader(compressed) as reader:
            plain = reader.read(MAX_DOCUMENT_BYTES + 1)
    except zstandard.ZstdError as error:
        raise ValueError(f"not zstd: {error}") from error
    if len(plain) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"not a document: it unpacks to more than {MAX_DOCUMENT_BYTES} bytes")
    return json.loads(plain.decode("utf-8"))


def _depth(value):
    deepest, level = 0, [value]
    while level := [inner for inner in level if isinstance(inner, (dict, list))]:
        deepest += 1
        level = [child for inner in level for child in (inner.values() if isinstance(inner, dict) else inner)]
    return deepest


def split_large_record(record, large, owner):
    """The items for a record: its parts, and the record itself. Part items have the properties of `owner`, which contain the key of the
    container unless that is the id. The parts must be created before the record."""
    if byte_size(record) <= MAX_RECORD_BYTES and _depth(record) <= MAX_RECORD_DEPTH:
        return [], record
    record, parts = dict(record), []
    present = [field for field in large if field in record]
    for field in present:
        record[f"{field}Zstd"] = _compress(record.pop(field))
    if byte_size(record) <= MAX_RECORD_BYTES:
        return [], record
    for field in present:
        encoded = record.pop(f"{field}Zstd")
        name = digest(encoded)
        data = [encoded[start : start + MAX_PART_BYTES] for start in range(0, len(encoded), MAX_PART_BYTES)]
        record[f"{field}Parts"], record[f"{field}Digest"] = len(data), name
        for number, piece in enumerate(data):
            part = {"id": f"{record['id']}-{field}-{name}-{number:04}", "partOf": record["id"], "field": field}
            parts.append({**part, "digest": name, "number": number, "data": piece, **owner})
    return parts, record


def reassemble(record, parts, large):
    """A record as it was before it was split. `parts`: pairs of id and data of the part items of this record, in any order.

    Raises ValueError if parts are missing or damaged."""
    record = dict(record)
    for field in large:
        if isinstance(record.get(f"{field}Zstd"), str):
            encoded = record[f"{field}Zstd"]
        elif isinstance(record.get(f"{field}Parts"), int):
            expected = record.get(f"{field}Digest", "")
            prefix = f"{record['id']}-{field}-{expected}-"
            found = sorted((part_id, data) for part_id, data in parts if part_id.startswith(prefix))
            if len(found) != record[f"{field}Parts"]:
                raise ValueError(f"{len(found)} of the {record[f'{field}Parts']} parts of its {field} exist")
            encoded = "".join(data or "" for _, data in found)
            if digest(encoded) != expected:
                raise ValueError(f"the parts of its {field} are not the ones that were stored")
        else:
            continue
        record[field] = _decompress(encoded)
    return record
