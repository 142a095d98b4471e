"""A history with incidents, made at random from a seed: documents that are written, captured, and damaged in every way that a verification
reports."""

import json
import random
import string
import time


class Story:
    """The documents of a monitored container, and what was done to them and to their history."""

    def __init__(self, endpoint, program, seed, documents, some_without_key=False):
        """Documents have a key of the container that the endpoint names: `/pk`, or `/tenant` and `/pk`."""
        self.endpoint, self.program, self.random = endpoint, program, random.Random(seed)
        self.ids = [f"{self.random.choice(['doc', 'Ünï', 'a b', 'x'])}-{number}" for number in range(documents)]
        self.taken, self.some_without_key = set(), some_without_key

    def document(self, document_id, **fields):
        document = {"id": document_id, **self.key_fields(document_id), "n": self.random.randrange(1000), "x": self.random.random() * 1e6}
        document["names"] = [self.random.choice(["Ä", "\U0001f600", "plain", '"q"']) for _ in range(self.random.randrange(4))]
        document["nested"] = {"whole": 1.0, "null": None, "flag": True, "large": 2**53 + self.random.randrange(9)}
        return {**document, **fields}

    def key_fields(self, document_id):
        """The properties of the key, of every kind; they follow from the id."""
        number = sum(document_id.encode())
        values = ["key", 7, 2.5, True, None, "Käse", 1e20, f"k{number}"]
        pk = {} if number % 9 == 8 and self.some_without_key else {"pk": values[number % 8]}
        return {"tenant": f"tenant {number % 3}", **pk}

    def key_of(self, document_id):
        """The partition key as the array of its components."""
        fields = self.key_fields(document_id)
        return [fields.get(path[1:], {}) for path in self.endpoint.paths]

    def delete(self, document_id):
        self.endpoint.delete("monitored", {"id": document_id, **self.key_fields(document_id)})

    def noise(self, count):
        """A text that hardly gets smaller when it is compressed."""
        letters = [letter for letter in string.printable[:94] if letter not in '"\\']
        return "".join(self.random.choices(letters, k=count))

    def some(self, count):
        """Documents to which nothing was done yet."""
        free = [document_id for document_id in self.ids if document_id not in self.taken]
        chosen = self.random.sample(free, min(count, len(free)))
        self.taken.update(chosen)
        return chosen

    def write(self, document_ids, **fields):
        return [self.endpoint.put(self.document(document_id, **fields)) for document_id in document_ids]

    def capture(self):
        """Captures everything that was written."""

        def is_captured():
            # A document can expire before it is captured.
            live = {version_of(item) for item in self.endpoint.items("monitored", "SELECT c.id, c._ts, c._etag FROM c")}
            query = "SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.sourceTs)"
            return live <= set(self.endpoint.items("changes", query))

        self.program.capture(is_captured)

    def record_of(self, document_id):
        """The newest record of a document."""
        query = f"SELECT * FROM c WHERE c.sourceId = {quoted(document_id)} AND IS_DEFINED(c.sourceTs)"
        return max(self.endpoint.items("changes", query), key=lambda record: (record["sourceTs"], record.get("lsn", 0)))


def quoted(text):
    return json.dumps(text)


def version_of(item):
    return f"{item['_ts']:010d}-{item['_etag'].strip(chr(34))}"


def next_second(second):
    """Waits until the clock shows a later second: versions of one second are not told apart by time."""
    while time.time() < second + 1:
        time.sleep(0.05)
