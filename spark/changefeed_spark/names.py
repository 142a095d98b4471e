"""Names of documents, and JSON as the history compares it.

A name is the JSON text `[<partition key components>, <id>]` in one spelling, so that DataFrames can be joined by it. It is ASCII: other
characters are escaped, also halves of surrogate pairs, which a DataFrame cannot hold.
"""

import json
import math

SYSTEM_PROPERTIES = ("_rid", "_self", "_etag", "_attachments", "_ts")


def dumps(value):
    """A value as compact JSON in ASCII."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def canonical(value):
    """The JSON text that is the same for two values exactly if the history treats them as the same content."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def byte_size(value):
    """The bytes of a value as compact JSON in UTF-8: how the limits of records are counted."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def _number_text(number):
    """A number as partition keys have it: `1.5e-7`, `1e+20`."""
    text = repr(number)
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    if exponent == "-05":
        sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"


def key_component(value):
    """A component of a partition key in its one spelling. `{}` stands for a property that the document does not have."""
    if value is None or isinstance(value, (bool, str)) or value == {}:
        return value
    if isinstance(value, (int, float)):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{value} is not a partition key value: it is not a double")
        return int(number) if number.is_integer() and abs(number) < 2.0**63 else number
    raise ValueError(f"{dumps(value)} is not a partition key value; text, a number, true, false, null or {{}} (none) is")


def key(components):
    """A partition key as the list of its components, each in its one spelling."""
    if not isinstance(components, list):
        raise ValueError(f"{dumps(components)} is not a partition key; an array of its components is")
    return [key_component(component) for component in components]


def key_text(components, in_ascii=True):
    """A partition key as JSON text."""
    texts = (
        _number_text(component) if isinstance(component, float) else json.dumps(component, ensure_ascii=in_ascii)
        for component in components
    )
    return f"[{','.join(texts)}]"


def name_of(components, document_id):
    """The name of a document."""
    return f"[{key_text(components)},{dumps(document_id)}]"


def parse_key_path(path):
    """The property names of a partition key path: `/address/city`, or `/"first name"` with quotes."""
    if not path.startswith("/"):
        raise ValueError(f"invalid partition key path {path!r}; a path starts with /")
    segments, rest = [], path
    while rest:
        rest = rest[1:]
        if rest[:1] in ('"', "'"):
            end = rest.find(rest[0], 1)
            if end < 0:
                raise ValueError(f"invalid partition key path {path!r}; a quote is not closed")
            segments.append(rest[1:end])
            rest = rest[end + 1 :]
        else:
            segment, slash, tail = rest.partition("/")
            segments.append(segment)
            rest = slash + tail
        if rest and not rest.startswith("/"):
            raise ValueError(f"invalid partition key path {path!r}; / must separate its names")
    if not all(segments):
        raise ValueError(f"invalid partition key path {path!r}; a name is empty")
    return segments


def key_of(document, paths):
    """The partition key of a document in a container with these key paths, each a list of property names."""
    return [key_component(_value_at(document, path)) for path in paths]


def _value_at(document, path):
    value = document
    for segment in path:
        if not isinstance(value, dict) or segment not in value:
            return {}
        value = value[segment]
    return value


def pk_of(components):
    """The property `pk` of a version, as a dict: the value of a single key, the JSON text of several components, or nothing."""
    if components == [{}]:
        return {}
    if len(components) == 1:
        return {"pk": components[0]}
    return {"pk": key_text(components, in_ascii=False)}


def without_system_properties(document):
    """A document without the five properties that the service adds."""
    return {name: value for name, value in document.items() if name not in SYSTEM_PROPERTIES}
