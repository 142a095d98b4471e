"""The verification with Spark gives the answer of `changefeed verify`, on random histories."""

import hashlib
import hmac
import json
import os
import time
import unittest

from changefeed_spark import frames, verify, verify_job
from changefeed_spark.names import canonical, key, parse_key_path
from changefeed_spark.versions import plain_id
from environment import SEEDS, database, folder, spark
from endpoint import wait_for
from story import Story, next_second, version_of

KINDS_OF_EXPORT = {"missing", "neverCaptured", "gone", "inexact"}


def answer_of_program(program, grace, *arguments):
    """The findings of `changefeed verify` and its counts."""
    report = program.json("verify", "--grace-seconds", str(grace), *arguments, allowed=(0, 3))
    lines = program.run("verify", "findings", report["id"], "--output", "jsonl").splitlines()
    found = [json.loads(line) for line in lines]
    return {(item["kind"], item["id"], canonical(item["partitionKey"]), item["version"]) for item in found}, report["counts"]


def rows(findings):
    return {(row.kind, row.id, canonical(json.loads(row.partitionKey)), row.version) for row in findings.collect()}


class Verification(unittest.TestCase):
    maxDiff = None

    def check(self, endpoint, program, grace, kinds, **options):
        expected, counts = answer_of_program(program, grace)
        findings, own = verify_job.run(endpoint, folder(), endpoint.paths, grace=grace, **options)
        found = rows(findings)
        # The program counts pending documents and does not list them.
        pending = {finding for finding in found if finding[0] == "pending"}
        self.assertEqual(expected, found - pending)
        self.assertEqual({kind for kind, *_ in found}, kinds)
        for name in ("documents", "versions", "pending", *(kinds - {"pending"})):
            self.assertEqual(own.get(name, 0), counts[name], name)
        return found

    def test_the_answers_are_the_same(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.incidents(seed)

    def incidents(self, seed):
        endpoint, program = database(f"verify{seed}", ["/pk"] if seed % 2 else ["/tenant", "/pk"])
        story = Story(endpoint, program, seed, documents=60, some_without_key=seed % 2 == 1)
        story.write(story.some(40))
        large = story.some(3)
        story.write(large[:2], text=story.noise(1_930_000))
        story.write(large[2:], text="Käse " * 330_000)
        story.capture()
        story.write([name for name in sorted(story.taken) if name not in large][:15])
        expiring = story.some(3)
        story.write(expiring, ttl=5)
        story.capture()
        wait_for("the time to live", lambda: not endpoint.items("monitored", "SELECT c.id FROM c WHERE IS_DEFINED(c.ttl)"))
        self.check(endpoint, program, 0, set())

        with self.subTest("documents that were written a moment ago are pending"):
            missing, new = sorted(story.taken - {*large, *expiring})[:6], story.some(4)
            story.write(missing)
            story.write(new)
            written = time.time()
            pending = self.check(endpoint, program, 3600, {"pending"})
            self.assertEqual(len(pending), 10)

        with self.subTest("the same after the grace time, and deletes, inexact versions and expired documents"):
            rest = [name for name in sorted(story.taken) if name not in {*missing, *new, *large, *expiring}]
            # Those without a key are the last: the SDK for Python cannot replace their records.
            rest.sort(key=lambda name: "pk" not in story.key_fields(name))
            deleted, inexact = rest[-4:], rest[4:8]
            for name in deleted:
                story.delete(name)
            for name in inexact:
                endpoint.replace("changes", {**story.record_of(name), "exact": False})
            next_second(written + 1)
            found = self.check(endpoint, program, 1, {"missing", "neverCaptured", "gone", "inexact"})
            self.assertEqual([len([1 for kind, *_ in found if kind == name]) for name in sorted(KINDS_OF_EXPORT)], [4, 4, 6, 4])

        with self.subTest("from an export of the versions as Parquet"):
            self.assertEqual(self.from_export(endpoint, program), {f for f in found if f[0] in KINDS_OF_EXPORT})

        with self.subTest("since a time, from the change feed"):
            since = int(written) - 2
            recent = {version_of(item) for item in endpoint.items("monitored", f"SELECT * FROM c WHERE c._ts >= {since}")}
            part, _ = verify_job.run(endpoint, folder(), endpoint.paths, grace=0, since=since)
            of_live = {f for f in found if f[0] in ("missing", "neverCaptured", "inexact") and f[3] in recent}
            self.assertEqual(rows(part), of_live)

        with self.subTest("damaged records, altered documents, erased ones and dead letters"):
            self.damage(endpoint, program, story, rest, large, found)

    def erase(self, endpoint, document_id, partition_key):
        """Registers a document as erased, as `docs/reference/format.md` says. Its versions stay, so that a verification has something to skip."""
        secret = bytes(range(32))
        name = json.dumps(["default", partition_key, document_id], ensure_ascii=False, separators=(",", ":"))
        found = hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()[:32]
        for item in ({"id": "erased", "key": secret.hex(), "revision": 1}, {"id": f"erased-{found[0]}", "hashes": [found]}):
            endpoint.containers["jobs"].create_item({**item, "kind": "erased", "schema": 1})

    def from_export(self, endpoint, program):
        path = f"{folder()}/versions.parquet"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        program.run("history", "export", "--file", path)
        live_path = f"{folder()}/live"
        live = frames.live_documents(endpoint.read("monitored"), [parse_key_path(path) for path in endpoint.paths])
        live.drop("body").write.parquet(live_path)
        live, found = spark().read.parquet(live_path), frames.exported_versions(spark().read.parquet(path))
        now = int(time.time())
        return rows(verify.confirmed(verify.suspicions(live, found, now, 0), live, found, now, 0, -1))

    def damage(self, endpoint, program, story, rest, large, before):
        parts = endpoint.items("changes", "SELECT * FROM c WHERE IS_DEFINED(c.partOf)")
        self.assertTrue(parts, "a large document has parts")
        lost = story.random.choice([part for part in parts if "pk" in part])
        endpoint.delete("changes", lost)
        without, strange, altered, erased = rest[8], rest[9], rest[10], rest[11]
        record = story.record_of(without)
        endpoint.replace("changes", {name: value for name, value in record.items() if name != "document"})
        endpoint.replace("changes", {**story.record_of(strange), "operation": "rename"})
        record = story.record_of(altered)
        endpoint.replace("changes", {**record, "document": {**record["document"], "n": -1}})
        self.erase(endpoint, erased, story.key_of(erased))
        letter = {"reason": "unknown-identity", "message": "not known", "function": "f", "invocationId": "i", "attempts": 0}
        letter.update({"id": "0" * 64, "capturedAt": "2026-01-01T00:00:00.000Z", "schema": 1, "payload": "{}"})
        endpoint.containers["deadLetters"].create_item(letter)
        kinds = {"missing", "neverCaptured", "gone", "inexact", "incomplete", "unknownIdentity"}
        found = self.check(endpoint, program, 0, kinds)
        incomplete = {(name, plain_id(version)) for kind, name, _, version in found if kind == "incomplete"}
        self.assertLessEqual({(lost["sourceId"], plain_id(lost["partOf"]))}, incomplete)
        self.assertIn(without, {name for name, _ in incomplete})
        self.assertIn(strange, {name for name, _ in incomplete})
        self.assertNotIn(erased, {name for _, name, *_ in found})
        bodies, _ = verify_job.run(endpoint, folder(), endpoint.paths, grace=0, with_bodies=True)
        found_with_bodies = rows(bodies)
        own = {(altered, canonical(key(story.key_of(altered))))}
        self.assertEqual({(name, k) for kind, name, k, _ in found_with_bodies if kind == "altered"}, own)
        self.assertEqual({finding for finding in found_with_bodies if finding[0] != "altered"}, found)


if __name__ == "__main__":
    unittest.main()
