"""Metrics of queries and of index use, and request charges of the published sizes."""

import time
from email.utils import parsedate_to_datetime

from sdk import EndpointTest, since


class Metrics(EndpointTest):
    def test_query_metrics_count_the_documents(self):
        container = self.filled_container(10, keys=1)
        query = "SELECT * FROM c WHERE c.number < 4"
        self.query(container, query, partition_key="key-0", populate_query_metrics=True)
        fields = dict(field.split("=") for field in self.responses[-1].headers["x-ms-documentdb-query-metrics"].split(";") if field)
        self.assertEqual(int(fields["outputDocumentCount"]), 4)
        self.assertGreaterEqual(int(fields["retrievedDocumentCount"]), 4)
        self.assertGreater(float(fields["totalExecutionTimeInMs"]), 0)

    def test_without_the_option_there_are_no_query_metrics(self):
        self.query(self.filled_container(1), "SELECT * FROM c", partition_key="key-0", populate_query_metrics=False)
        self.assertNotIn("x-ms-documentdb-query-metrics", self.responses[-1].headers)

    @since("4.9.0", "has no index metrics")
    def test_index_metrics_name_the_used_path(self):
        container = self.filled_container(3, keys=1)
        self.query(container, "SELECT * FROM c WHERE c.number = 1", partition_key="key-0", populate_index_metrics=True)
        self.assertIn("/number/?", str(container.client_connection.last_response_headers["x-ms-cosmos-index-utilization"]))

    def test_a_page_of_a_query_names_its_number_of_items(self):
        self.query(self.filled_container(7, keys=1), "SELECT * FROM c", partition_key="key-0")
        self.assertEqual(self.responses[-1].headers["x-ms-item-count"], "7")

    def test_every_answer_has_an_activity_id_and_a_date(self):
        self.container().create_item({"id": "1", "pk": "a"})
        headers = self.responses[-1].headers
        self.assertRegex(headers["x-ms-activity-id"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertLess(abs(parsedate_to_datetime(headers["date"]).timestamp() - time.time()), 60)


class Charges(EndpointTest):
    """The published figures are for items of 1 KB and 100 KB; a charge may differ from them by 20%."""

    def assert_charge(self, expected):
        charge = self.responses[-1].charge
        self.assertTrue(0.8 * expected <= charge <= 1.2 * expected, f"{charge} RU, expected about {expected} RU")

    def test_a_point_read_of_one_kilobyte_costs_one_request_unit(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "filling": "x" * 800})
        container.read_item("1", "a")
        self.assert_charge(1)

    def test_a_point_read_of_a_hundred_kilobytes_costs_ten_request_units(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "filling": "x" * 100_000})
        container.read_item("1", "a")
        self.assert_charge(10)

    def test_a_create_of_one_kilobyte_without_an_index_costs_about_five_request_units(self):
        container = self.container(indexing_policy={"indexingMode": "none", "automatic": False})
        container.create_item({"id": "1", "pk": "a", "filling": "x" * 800})
        self.assert_charge(5.3)
