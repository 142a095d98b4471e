"""What only the control interface of the embedded endpoint can cause: throttled requests, and splits between two pages.

A sorted query over several partitions is not continued across a split here: after one, the SDK starts the parts at their beginning. The
tests of the endpoint in Rust do it (`resumed_orders.rs`).
"""

import json
import unittest
import urllib.request

from sdk import CONTROL_URL, EndpointTest, since


@unittest.skipUnless(CONTROL_URL, "an endpoint without a control interface")
class FaultsAndSplits(EndpointTest):
    def control(self, path, request):
        data = json.dumps(request).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{CONTROL_URL}{path}", data, method="POST")) as answer:
            return json.load(answer)

    def test_a_throttled_request_says_when_to_send_it_again_and_is_sent_again(self):
        container = self.filled_container(1)
        self.control("/faults", {"container": container.id, "kind": "read", "times": 2, "status": 429, "substatus": 3200})
        start = len(self.responses)
        self.assertEqual(container.read_item("item-0000", "key-0")["number"], 0)
        answers = [each for each in self.responses[start:] if each.path.rstrip("/").endswith("item-0000")]
        self.assertEqual([each.status for each in answers], [429, 429, 200])
        for each in answers[:2]:
            self.assertGreater(int(each.headers["x-ms-retry-after-ms"]), 0)
            self.assertEqual(each.headers["x-ms-substatus"], "3200")

    @since("4.1.0", "ignores the continuation of a query")
    def test_pages_of_one_key_are_complete_across_a_split(self):
        container = self.filled_container(40, keys=1)
        query, options = "SELECT VALUE c.number FROM c ORDER BY c.number", {"max_item_count": 7, "partition_key": "key-0"}
        pager = container.query_items(query, **options).by_page()
        found = list(next(pager)) + list(next(pager))
        continuation = pager.continuation_token
        self.control("/split", {"database": self.database.id, "container": container.id})
        for page in container.query_items(query, **options).by_page(continuation):
            found += list(page)
        self.assertEqual(found, list(range(40)))
