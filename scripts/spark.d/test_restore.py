"""A restore with Spark plans what `changefeed restore run` plans, writes it, and is a restore like any other: it is shown, and can be undone."""

import json
import time
import unittest

from changefeed_spark import names
from changefeed_spark.names import canonical
from changefeed_spark.plan import MAX_RECORDED_CHANGES
from changefeed_spark.restore_job import Restore
from changefeed_spark.versions import plain_id
from environment import SEEDS, database, folder, run_job, spark
from story import Story, next_second

STAMP = ("restore_id", "restored_at")


class Interrupted(Exception):
    pass


class Interrupting:
    """Containers whose writes are interrupted after some items."""

    def __init__(self, endpoint, after):
        self.endpoint, self.left, self.spark, self.paths = endpoint, after, endpoint.spark, endpoint.paths

    def read(self, role, query="SELECT * FROM c"):
        return self.endpoint.read(role, query)

    def write(self, role, items, strategy):
        for row in items.select("_rawBody").toLocalIterator():
            if self.left == 0:
                raise Interrupted
            self.left -= 1
            self.endpoint.write_one(role, json.loads(row[0]), strategy)


class Racing(Interrupting):
    """Containers in which a user changes a document after the restore has written it, and before it reads back what it has written."""

    def __init__(self, endpoint, document_id):
        super().__init__(endpoint, -1)
        self.document_id, self.is_changed = document_id, False

    def read(self, role, query="SELECT * FROM c"):
        if "restore_id" in query and not self.is_changed:
            self.is_changed = True
            written = [item for item in self.endpoint.items("monitored", query) if item["id"] == self.document_id]
            self.endpoint.put({**written[0], "raced": True})
        return super().read(role, query)


def contents(endpoint):
    """The live documents by their names, without system properties and without the stamp of restores."""
    found = {}
    for item in endpoint.items("monitored"):
        content = {name: value for name, value in names.without_system_properties(item).items() if name not in STAMP}
        found[(item["id"], canonical(names.key_of(item, [names.parse_key_path(path) for path in endpoint.paths])))] = canonical(content)
    return found


def planned_items(plan):
    return {(item["id"], canonical(item["partitionKey"])): item for item in map(json.loads, (row.item for row in plan.collect()))}


def essence(items):
    """What two plans of the same restore have in common: not the words of messages, and not the record that an inexact version gets."""

    def of(item):
        found = {field: item.get(field) for field in ("action", "version")}
        found["replacedVersion"] = plain_id(item.get("replacedVersion", ""))
        shown = item.get("changes", [])
        return {**found, "changes": shown if len(names.dumps(shown)) <= MAX_RECORDED_CHANGES else []}

    return {name: canonical(of(item)) for name, item in items.items()}


class RestoreWithSpark(unittest.TestCase):
    maxDiff = None

    def restore(self, endpoint, where=None):
        return Restore(endpoint, where or folder(), endpoint.paths, default_ttl=-1)

    def plan_of_program(self, program, before, *arguments):
        report = program.json("restore", "run", "--before", str(before), "--dry-run", "--all", *arguments, allowed=(0, 3, 4, 5))
        return {(item["id"], canonical(item["partitionKey"])): item for item in report["items"]}

    def test_a_restore_is_planned_written_shown_and_undone(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.story(seed)

    def story(self, seed):
        endpoint, program = database(f"restore{seed}", ["/tenant", "/pk"] if seed % 2 else ["/pk"])
        story = Story(endpoint, program, seed, documents=70)
        names_of = story.random.sample(story.ids, 50)
        large, *others = names_of
        story.write(others)
        endpoint.put(story.document(large, text=story.noise(1_800_000)))
        story.capture()
        lost = others[:4]
        for name in lost:
            story.delete(name)
        program.run("verify", "--repair", "--yes", "--grace-seconds", "0", allowed=(0, 3))
        next_second(time.time())
        before = int(time.time())
        good = contents(endpoint)
        next_second(before)

        # The incident: some documents are wrong, some are deleted, some are new, and some of that is not captured.
        wrong, deleted, again = others[4:20], others[20:26], lost[:2]
        story.write(wrong[:8] + again)
        endpoint.put(story.document(large, text=story.noise(1_800_000), wrong=True))
        story.capture()
        story.write(wrong[8:] + story.random.sample([name for name in story.ids if name not in names_of], 5))
        for name in deleted:
            story.delete(name)
        inexact = wrong[0]
        endpoint.replace("changes", {**story.record_of(inexact), "exact": False})
        bad = contents(endpoint)

        for arguments, options in (((), {}), (("--delete-created-after",), {"delete_created_after": True})):
            plan, counts = self.restore(endpoint).plan(before, **options)
            self.assertEqual(essence(planned_items(plan)), essence(self.plan_of_program(program, before, *arguments)))
            self.assertEqual(counts.get("delete", 0), len(again) if options else 0)

        where = folder()
        restore = self.restore(endpoint, where)
        restore.plan(before, delete_created_after=True, reason="a test", requested_by="a tester")
        # A user changes a document after the plan was made. It is left alone.
        changed = wrong[1]
        endpoint.put(story.document(changed, later=True))
        later = contents(endpoint)
        # The job is killed twice, and run again.
        for after in (story.random.randrange(1, 12), story.random.randrange(12, 40)):
            with self.assertRaises(Interrupted):
                self.restore(Interrupting(endpoint, after), where).execute()
        raced = wrong[3]
        record = self.restore(Racing(endpoint, raced), where).execute()
        self.assertEqual(record["state"], "conflicts")
        # The five new documents have no versions, so they are unknown.
        self.assertEqual(
            {name: count for name, count in record["counts"].items() if count},
            {"create": 6, "replace": 16, "delete": 2, "conflict": 1, "unknown": 5, "unchanged": record["counts"]["unchanged"]},
        )

        def key(name):
            return name, canonical(story.key_of(name))

        expected = {**good, **{name: value for name, value in bad.items() if name not in good and name[0] not in again}}
        expected[key(changed)] = later[key(changed)]
        expected[key(raced)] = canonical({**json.loads(good[key(raced)]), "raced": True})
        self.assertEqual(contents(endpoint), expected)
        self.assertEqual(program.json("restore", "list")["items"][0]["id"], record["id"])
        self.shown(program, record, where)

        # Everything that the restore has overwritten is in the history.
        report = program.json("verify", "--grace-seconds", "0", allowed=(0, 3))
        self.assertEqual(report["counts"]["gone"], 0)

        # A user changes a restored document: the undo leaves it alone, and also the one that was changed before it was read back.
        used = wrong[2]
        endpoint.put({**json.loads(contents(endpoint)[key(used)]), "used": True, "restore_id": record["id"]})
        program.run("restore", "undo", record["id"], "--yes", allowed=(0, 3))
        undo = program.json("restore", "show", program.json("restore", "show", record["id"])["lastUndo"])
        conflicts = [item["id"] for item in undo["items"] if item["action"] == "conflict"]
        self.assertEqual(sorted(conflicts), sorted([used, raced]))
        undone = contents(endpoint)
        for name, change in ((used, "used"), (raced, "raced")):
            self.assertTrue(json.loads(undone.pop(key(name)))[change])
            del later[key(name)]
        self.assertEqual(undone, later)

    def shown(self, program, record, where):
        shown = program.json("restore", "show", record["id"])
        self.assertEqual((shown["reason"], shown["requestedBy"], shown["state"]), ("a test", "a tester", "conflicts"))
        lines = program.run("restore", "items", record["id"], "--output", "jsonl").splitlines()
        items = {(item["id"], canonical(item["partitionKey"])): item for item in map(json.loads, lines)}
        # Documents that are as they were are counted, and not listed.
        self.assertEqual(len(items), sum(record["counts"].values()) - record["counts"]["unchanged"])
        done = {name: item["action"] for name, item in items.items()}
        outcomes = planned_items(spark().read.parquet(f"{where}/outcomes"))
        self.assertEqual(done, {name: item["action"] for name, item in outcomes.items() if item["action"] != "unchanged"})

    def test_documents_are_selected_by_a_condition_a_window_and_a_list(self):
        endpoint, program = database("selection", ["/pk"])
        story = Story(endpoint, program, 7, documents=12)
        story.write(story.ids, city="Davidson")
        story.capture()
        next_second(time.time())
        first = int(time.time())
        story.write(story.ids[:6], city="Cary")
        next_second(time.time())
        last = int(time.time())
        next_second(last)
        story.write(story.ids[6:9], city="Apex")

        def restored(**options):
            items = planned_items(self.restore(endpoint).plan(first, **options)[0])
            return {name for name, item in items.items() if item["action"] == "replace"}

        def as_names(ids):
            return {(name, canonical(story.key_of(name))) for name in ids}

        self.assertEqual(restored(), as_names(story.ids[:9]))
        self.assertEqual(restored(changed=(first, last)), as_names(story.ids[:6]))
        self.assertEqual(restored(where="get_json_object(live, '$.city') = 'Apex'"), as_names(story.ids[6:9]))
        rows = [(name, names.dumps(story.key_of(name))) for name in story.ids[5:7]]
        listed = spark().createDataFrame(rows, "id string, partitionKey string")
        self.assertEqual(restored(documents=listed), as_names(story.ids[5:7]))

        # The connector cannot write a document without a partition key.
        keyless = {"id": "keyless", "city": "Cary"}
        endpoint.put(keyless)
        story.capture()
        next_second(time.time())
        captured = int(time.time())
        plan, counts = self.restore(endpoint).plan(captured, where="id = 'keyless'")
        self.assertEqual(counts, {"unchanged": 1})
        endpoint.put({**keyless, "city": "Apex"})
        plan, counts = self.restore(endpoint).plan(captured, where="id = 'keyless'")
        self.assertEqual(counts, {"failed": 1})
        self.assertIn("restore it with changefeed restore run", plan.collect()[0].item)
        endpoint.delete("monitored", keyless)

        # The same as a job of its own, as `spark-submit` runs it.
        where = folder()
        condition = "get_json_object(live, '$.city') = 'Cary'"
        planned = run_job("restore.py", endpoint, "--folder", where, "--before", str(first), "--where", condition, "--reason", "Cary")
        self.assertIn("6 replace. Nothing was written.", planned)
        executed = run_job("restore.py", endpoint, "--folder", where, "--execute")
        self.assertRegex(executed, r"Restore \S+ is done: 6 replace\.")
        cities = [item["city"] for item in endpoint.items("monitored")]
        self.assertEqual(sorted(cities), ["Apex"] * 3 + ["Davidson"] * 9)
        verified = run_job("verify.py", endpoint, "--folder", folder(), "--grace-seconds", "0")
        # The restored ones are not captured, and the delete of one was not reported.
        self.assertIn("missing: 6", verified)
        self.assertIn("gone: 1", verified)
        program.run("restore", "undo", program.json("restore", "list")["items"][0]["id"], "--yes")
        cities = [item["city"] for item in endpoint.items("monitored")]
        self.assertEqual(sorted(cities), ["Apex"] * 3 + ["Cary"] * 6 + ["Davidson"] * 3)

    def test_a_cancelled_restore_writes_no_document(self):
        endpoint, program = database("cancelled", ["/pk"])
        story = Story(endpoint, program, 8, documents=4)
        story.write(story.ids)
        story.capture()
        next_second(time.time())
        before = int(time.time())
        story.write(story.ids)
        bad = contents(endpoint)
        where = folder()
        restore = self.restore(endpoint, where)
        restore.plan(before)
        with self.assertRaises(Interrupted):
            self.restore(Interrupting(endpoint, 2), where).execute()
        running = program.json("restore", "list")["items"][0]
        self.assertEqual(running["state"], "running")
        program.run("restore", "cancel", running["id"])
        with self.assertRaisesRegex(RuntimeError, "has ended"):
            restore.execute()
        self.assertEqual(contents(endpoint), bad)


if __name__ == "__main__":
    unittest.main()
