"""Names, ids and large records are as `docs/reference/format.md` specifies them."""

import json
import random
import unittest

from changefeed_spark import connector, names, settings, versions
from changefeed_spark.difference import changes
from changefeed_spark.large_values import MAX_RECORD_BYTES, reassemble, split_large_record


class Records(unittest.TestCase):
    def test_all_spellings_of_a_number_are_one_key(self):
        for form, spellings in {
            "[10]": ["[10]", "[10.0]", "[1e1]"],
            "[0]": ["[-0.0]", "[0.0e5]"],
            "[0.1]": ["[0.10]", "[1e-1]"],
            "[9007199254740992]": ["[9007199254740993]", "[9007199254740992.0]"],
            "[1e+20]": ["[1e20]", "[100000000000000000000]"],
            "[1.5e-7]": ["[15e-8]"],
            '["a",null,true,{}]': ['["a", null, true, {}]'],
        }.items():
            for spelling in spellings:
                self.assertEqual(names.key_text(names.key(json.loads(spelling))), form, spelling)
        for wrong in ("[[1]]", '[{"a":1}]', "7"):
            with self.assertRaisesRegex(ValueError, "is not a partition key"):
                names.key(json.loads(wrong))

    def test_a_key_is_read_along_its_paths(self):
        paths = [names.parse_key_path(path) for path in ("/a/b", '/"first name"', "/n")]
        self.assertEqual(names.key_of({"a": {"b": "x"}, "first name": None}, paths), ["x", None, {}])
        self.assertEqual(names.pk_of(["x", 1.0, {}]), {"pk": '["x",1.0,{}]'})
        self.assertEqual([names.pk_of([{}]), names.pk_of(["x"]), names.pk_of([None])], [{}, {"pk": "x"}, {"pk": None}])
        for wrong in ("a", "/", '/"a', '/"a"b'):
            with self.assertRaisesRegex(ValueError, "invalid partition key path"):
                names.parse_key_path(wrong)

    def test_the_same_content_has_one_text_and_other_types_have_others(self):
        self.assertEqual(names.canonical({"a": 1, "b": [True]}), names.canonical({"b": [True], "a": 1}))
        texts = [names.canonical(value) for value in (1, 1.0, True, "1", None, [1], {"a": 1})]
        self.assertEqual(len(set(texts)), len(texts))

    def test_a_large_record_is_split_and_put_together_again(self):
        noise = random.Random(3)
        letters = [chr(code) for code in range(35, 92)] + ["ü", "\U0001f600"]
        for size, is_split in ((10, False), (500_000, False), (1_900_000, True)):
            record = {"id": "5-e", "document": {"text": "".join(noise.choices(letters, k=size)), "half": "\ud800"}}
            parts, stored = split_large_record(record, versions.LARGE_FIELDS, {"pk": "a", "sourceId": "1"})
            self.assertEqual(bool(parts), is_split)
            self.assertTrue(all(names.byte_size(item) <= MAX_RECORD_BYTES for item in [*parts, stored]))
            pairs = [(part["id"], part["data"]) for part in parts]
            self.assertEqual(reassemble(stored, reversed(pairs), versions.LARGE_FIELDS)["document"], record["document"])
            if parts:
                self.assertTrue(all(part["partOf"] == "5-e" and part["pk"] == "a" for part in parts))
                with self.assertRaisesRegex(ValueError, f"{len(parts) - 1} of the {len(parts)} parts"):
                    reassemble(stored, pairs[1:], versions.LARGE_FIELDS)
                damaged = [(pairs[0][0], pairs[0][1][:-1]), *pairs[1:]]
                with self.assertRaisesRegex(ValueError, "not the ones that were stored"):
                    reassemble(stored, damaged, versions.LARGE_FIELDS)

    def test_a_document_expires_by_its_own_time_to_live_or_that_of_the_container(self):
        expires = lambda ttl, default: versions.expires_at(100, versions.own_ttl({"ttl": ttl}), default)  # noqa: E731
        self.assertEqual([expires(3, -1), expires(3.0, -1), expires(None, 10)], [103, 103, 110])
        for ttl, default in ((-1, 10), (None, -1), (3, None), (True, -1), (1.5, -1), ("3", -1)):
            self.assertIsNone(expires(ttl, default))

    def test_a_version_without_omitted_fields_is_refused(self):
        versions.refuse_omitted([])
        with self.assertRaisesRegex(ValueError, "version 1-e was stored without /meta/token, /password .* use changefeed restore"):
            versions.refuse_omitted([{"id": "1-e", "omitted": ["/meta/token", "/password"]}])

    def test_settings_of_what_is_never_stored_are_refused(self):
        settings.check_everything_is_stored({"CHANGEFEED_OMITTED_FIELDS": "", "CHANGEFEED_DATABASE": "dev"})
        for name in ("CHANGEFEED_OMITTED_FIELDS", "CHANGEFEED_CAPTURE_FILTER"):
            with self.assertRaisesRegex(ValueError, f"{name} is set: the jobs in Spark do not support it"):
                settings.check_everything_is_stored({name: "password"})

    def test_changed_added_and_removed_fields_are_found(self):
        before = {"a": 1, "b": {"c": [1, 2]}, "gone": None, "list": [1], "x/~": 1}
        after = {"a": 1, "b": {"c": [1, 3]}, "new": True, "list": [1, 2], "x/~": 1.0}
        expected = [
            {"path": "/b/c/1", "before": 2, "after": 3},
            {"path": "/gone", "before": None},
            {"path": "/list", "before": [1], "after": [1, 2]},
            {"path": "/x~1~0", "before": 1, "after": 1.0},
            {"path": "/new", "after": True},
        ]
        self.assertEqual(changes(before, after), expected)


class FakeReader:
    """Records the options that a reader or a writer of Spark is given."""

    def __init__(self):
        self.given = {}

    def format(self, name):
        self.given["format"] = name
        return self

    def options(self, **options):
        self.given.update(options)
        return self

    def mode(self, name):
        self.given["mode"] = name
        return self

    def load(self):
        return self

    def select(self, *_):
        return self

    def save(self):
        pass

    @property
    def read(self):
        return self

    write = read


class Connector(unittest.TestCase):
    """Only the options: the connector does not run here."""

    def test_reads_and_writes_carry_the_account_the_container_and_the_limit(self):
        spark = FakeReader()
        options = connector.account("https://a.documents.azure.com:443/", client_id="c", client_secret="s", tenant="t")
        limit = connector.throughput_control(share=0.25, database="dev", container="throughput")
        containers = connector.Containers(spark, options, "dev", {"changes": "versions"}, limit)
        containers.read("changes", "SELECT c.id FROM c")
        self.assertEqual(spark.given["format"], "cosmos.oltp")
        self.assertEqual(spark.given["spark.cosmos.container"], "versions")
        self.assertEqual(spark.given["spark.cosmos.auth.type"], "ServicePrincipal")
        self.assertEqual(spark.given["spark.cosmos.read.forceEventualConsistency"], "false")
        self.assertEqual(spark.given["spark.cosmos.throughputControl.targetThroughputThreshold"], "0.25")
        containers.write("changes", spark, "ItemOverwriteIfNotModified")
        self.assertEqual(spark.given["spark.cosmos.write.strategy"], "ItemOverwriteIfNotModified")
        self.assertEqual(spark.given["mode"], "append")
        containers.changed_since("changes", 1_700_000_000)
        self.assertEqual(spark.given["format"], "cosmos.oltp.changeFeed")
        self.assertEqual(spark.given["spark.cosmos.changeFeed.startFrom"], "2023-11-14T22:13:20Z")


if __name__ == "__main__":
    unittest.main()
