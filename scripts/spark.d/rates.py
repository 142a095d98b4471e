"""Measures the processor time of the Spark jobs, apart from reading and writing containers: from files of JSON lines, on the local Spark.

    scripts/spark rates [DOCUMENTS]
"""

import json
import os
import sys

from changefeed_spark import verify_job
from changefeed_spark.restore_job import Restore
from environment import folder, spark

BYTES = 1000
NOW = 1_800_000_000


class Files:
    """Containers that are read from files. A query selects nothing but the kind of items that its text names."""

    def __init__(self, documents):
        self.spark, self.folder = spark(), folder()
        live, versions = f"{self.folder}/live.jsonl", f"{self.folder}/versions.jsonl"
        with open(live, "w") as live_file, open(versions, "w") as versions_file:
            for number in range(documents):
                write(number, live_file, versions_file)
        self.live, self.versions = self.spark.read.text(live), self.spark.read.text(versions)
        self.none = self.spark.createDataFrame([], "value string")

    def read(self, role, query="SELECT * FROM c"):
        is_versions = role == "changes" and "NOT (IS_DEFINED(c.documentZstd)" in query and "AND NOT (c.sourceTs" not in query
        found = self.live if role == "monitored" else self.versions if is_versions else self.none
        return found.withColumnRenamed("value", "_rawBody").repartition(2)


def write(number, live_file, versions_file):
    document_id = f"{number:08}"
    document = {"id": document_id, "pk": document_id}
    field = 0
    while len(json.dumps(document)) < BYTES:
        document[f"property{field:02}"] = f"value {number} {field}".ljust(32, "x")
        field += 1
    for second in (NOW - 1000, NOW - 500):
        etag = f'"{number:08x}-0000-0000-0000-{second:012x}"'
        record = {"id": f"{second}-{etag[1:-1]}", "pk": document_id, "sourceId": document_id, "partitionKey": [document_id]}
        record.update({"operation": "write", "sourceTs": second, "lsn": number, "etag": etag, "capturedAt": "", "capturedBy": "x"})
        changed = {**document, "property00": str(second)}
        versions_file.write(json.dumps({**record, "exact": True, "schema": 1, "document": changed}) + "\n")
    live_file.write(json.dumps({**changed, "_rid": "", "_self": "", "_etag": etag, "_attachments": "", "_ts": second}) + "\n")


def processor_seconds():
    """The processor time of this process and of all that it has started, in seconds. Other programs on the machine do not count."""
    parents, spent = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)], spent[int(entry)] = int(fields[1]), sum(map(int, fields[11:15]))
    own = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in own} - own:
        own |= more
    return sum(spent.get(process, 0) for process in own) / os.sysconf("SC_CLK_TCK")


def report(name, documents, begun):
    spent = processor_seconds() - begun
    print(f"{name}: {documents / spent:,.0f} documents for each second of a core")


def main():
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    files = Files(documents)
    files.live.count()
    begun = processor_seconds()
    _, counts = verify_job.run(files, folder(), ["/pk"], clock=lambda: NOW)
    assert counts == {"documents": documents, "versions": 2 * documents}, counts
    report("verification, two versions of each document", documents, begun)
    begun = processor_seconds()
    restore = Restore(files, folder(), ["/pk"], clock=lambda: NOW)
    _, counts = restore.plan(NOW - 600)
    assert counts == {"replace": documents}, counts
    report("plan of a restore of all", documents, begun)


if __name__ == "__main__":
    main()
