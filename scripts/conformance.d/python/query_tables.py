"""The checks of expressions.json and queries.json, which both languages share."""

import json
from pathlib import Path

from azure.cosmos import PartitionKey

from sdk import EndpointTest, FOUR_PARTITIONS, random_name, SDK_VERSION

TABLES = Path(__file__).parent.parent


def read_table(name):
    return json.loads((TABLES / name).read_text(encoding="utf-8"))


EXPRESSIONS = read_table("expressions.json")
QUERIES = read_table("queries.json")
# What the SDK does not list among its features of queries; the service refuses to plan such a query for it.
MISSING_FEATURES = {"GroupBy", "MultipleAggregates", "NonValueAggregate"} | ({"CountIf"} if SDK_VERSION < (4, 9, 0) else set())


def sort_key(row):
    return json.dumps(row, sort_keys=True)


class Expressions(EndpointTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.items = cls.database.create_container(random_name("expressions"), PartitionKey(path="/pk"))
        cls.items.create_item(EXPRESSIONS["document"])

    def check(self, check):
        expressions = [expression for expression, _ in check["values"]] + check.get("undefined", [])
        expected = {expression: value for expression, value in check["values"]}
        fields = ", ".join(f'"{index}": {expression}' for index, expression in enumerate(expressions))
        rows = self.query(self.items, f"SELECT VALUE {{{fields}}} FROM c", partition_key="a")
        self.assertEqual(len(rows), 1)
        found = {expressions[int(index)]: value for index, value in rows[0].items()}
        self.assertEqual(found, expected)


class QueryTable(EndpointTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        composite = [{"path": "/price", "order": "descending"}, {"path": "/id", "order": "ascending"}]
        cls.items = cls.database.create_container(
            random_name("queries"),
            PartitionKey(path="/pk"),
            indexing_policy={"includedPaths": [{"path": "/*"}], "compositeIndexes": [composite]},
            offer_throughput=FOUR_PARTITIONS,
        )
        for document in QUERIES["documents"]:
            cls.items.create_item(document)

    def check(self, check):
        scope = {"partition_key": check["partitionKey"]} if "partitionKey" in check else {}
        missing = MISSING_FEATURES.intersection(check.get("features", []))
        if missing and not scope:
            error = self.assert_rejected(400, self.query, self.items, check["query"], check.get("parameters", {}))
            named = [name for name in missing if f"Query contained {name}, which the calling client does not support" in error.message]
            self.assertTrue(named, error.message)
            return
        rows = self.query(self.items, check["query"], check.get("parameters", {}), **scope)
        if not check.get("ordered"):
            rows.sort(key=sort_key)
        expected = check["rows"] if check.get("ordered") else sorted(check["rows"], key=sort_key)
        self.assertEqual(rows, expected)


def add_checks(cls, checks):
    for check in checks:
        name = "test_" + "".join(letter if letter.isalnum() else "_" for letter in check["name"])
        assert not hasattr(cls, name), f"two checks are named {check['name']!r}"
        setattr(cls, name, lambda self, check=check: self.check(check))


add_checks(Expressions, EXPRESSIONS["checks"])
add_checks(QueryTable, QUERIES["checks"])
