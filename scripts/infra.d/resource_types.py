"""Writes infra/types.json: the properties that Azure's resource types have where the templates of infra/ use them.

Usage: resource_types.py FOLDER

FOLDER is a checkout of the public repository Azure/bicep-types-az. The file has names, kinds and allowed values, and no
descriptions. scripts/infra compares the templates with it where the Bicep compiler cannot be had.
"""

import json
import pathlib
import sys

from bicep import ROOT, resources

FLAG_REQUIRED = 1
FLAG_READ_ONLY = 2


class Types:
    """The types of one provider and API version."""

    def __init__(self, file):
        self.all = json.loads(file.read_text())

    def resource(self, name):
        return next((t for t in self.all if t["$type"] == "ResourceType" and t["name"].lower() == name.lower()), None)

    def resolve(self, reference):
        return self.all[int(reference["$ref"].split("/")[-1])]

    def compact(self, reference, used, depth=0):
        """A type as far as `used`, a tree of the properties that the templates set, reaches."""
        kind = self.resolve(reference)
        tag = kind["$type"]
        if tag == "StringLiteralType":
            return {"values": [kind["value"]]}
        if tag == "UnionType":
            return self.union([self.compact(element, used, depth) for element in kind["elements"]])
        if tag in ("ObjectType", "DiscriminatedObjectType"):
            own = kind.get("properties") or kind.get("baseProperties") or {}
            if tag == "DiscriminatedObjectType":
                for variant in kind["elements"].values():
                    own = {**self.resolve(variant)["properties"], **own}
                own = {name: {**value, "flags": value["flags"] & ~FLAG_REQUIRED} for name, value in own.items()}
                own[kind["discriminator"]] = {"type": None, "flags": FLAG_REQUIRED}
            if used is None:
                return {"kind": "object"}
            properties = {}
            for name, value in sorted(own.items()):
                if value["flags"] & FLAG_READ_ONLY:
                    continue
                entry = {} if value["type"] is None else self.compact(value["type"], used.get(name), depth + 1)
                if value["flags"] & FLAG_REQUIRED:
                    entry["required"] = True
                properties[name] = entry
            result = {"kind": "object", "properties": properties}
            extra = kind.get("additionalProperties")
            if extra:
                result["others"] = self.compact(extra, next(iter(used.values()), None), depth + 1)
            return result
        if tag == "ArrayType":
            return {"kind": "array", "items": self.compact(kind["itemType"], used, depth + 1)}
        return {"kind": {"StringType": "string", "IntegerType": "int", "BooleanType": "bool"}.get(tag, "any")}

    @staticmethod
    def union(elements):
        values = [value for element in elements for value in element.get("values", [])]
        # A union with a plain text allows other values than those that it names.
        is_open = any(element.get("kind") == "string" for element in elements)
        if values and not is_open:
            return {"values": sorted(values)}
        return {"kind": "string"} if values or is_open else {"kind": "any"}


def main(folder):
    files = {}
    for file in pathlib.Path(folder, "generated").glob("*/*/*/types.json"):
        files.setdefault((file.parent.parent.name.lower(), file.parent.name), []).append(file)
    result = {}
    for name, used in sorted(resources().items()):
        provider, version = name.split("/")[0].lower(), name.split("@")[1]
        candidates = [types for types in map(Types, files.get((provider, version), [])) if types.resource(name)]
        if not candidates:
            sys.exit(f"resource_types: {name} is unknown")
        types = candidates[0]
        result[name] = types.compact(types.resource(name)["body"], used)
    text = json.dumps(result, indent=1, sort_keys=True)
    pathlib.Path(ROOT, "infra/types.json").write_text(text + "\n")


main(sys.argv[1])
