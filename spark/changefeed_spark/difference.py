"""The fields that differ between two documents."""

from .names import canonical

MAX_SHOWN = 50


def changes(before, after):
    """The fields that differ, at most 50: each with `path` (a JSON Pointer), and `before` and `after` where the field exists."""
    found = []
    _compare("", before, after, found)
    return found[:MAX_SHOWN]


def _compare(path, before, after, found):
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name in after:
                _compare(_child(path, name), value, after[name], found)
            else:
                found.append({"path": _child(path, name), "before": value})
        found.extend({"path": _child(path, name), "after": value} for name, value in after.items() if name not in before)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (value, other) in enumerate(zip(before, after)):
            _compare(_child(path, str(index)), value, other, found)
    elif canonical(before) != canonical(after):
        found.append({"path": path, "before": before, "after": after})


def _child(path, name):
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
