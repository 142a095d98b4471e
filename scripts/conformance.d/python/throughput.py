"""Throughput: of containers and databases, manual and autoscale, and what it means for physical partitions."""

from azure.cosmos import PartitionKey

from sdk import EndpointTest, FOUR_PARTITIONS, random_name, since


class Throughput(EndpointTest):
    def offer(self, resource):
        """The definition of the offer of a container or database."""
        return resource.read_offer().properties["content"]

    def test_a_container_has_four_hundred_request_units_by_default(self):
        self.assertEqual(self.offer(self.container())["offerThroughput"], 400)

    def test_a_container_has_the_throughput_of_its_creation(self):
        offer = self.container(offer_throughput=1200).read_offer()
        self.assertEqual(offer.offer_throughput, 1200)
        self.assertIn("_self", offer.properties)

    def test_throughput_can_be_replaced(self):
        container = self.container(offer_throughput=400)
        container.replace_throughput(900)
        self.assertEqual(self.offer(container)["offerThroughput"], 900)

    def test_throughput_below_the_minimum_or_between_steps_is_rejected_with_400(self):
        for throughput in (300, 450):
            with self.subTest(throughput):
                self.assert_rejected(400, self.container, offer_throughput=throughput)

    def test_a_database_may_have_throughput_for_its_containers(self):
        database = self.client.create_database(random_name("shared"), offer_throughput=600)
        self.addCleanup(self.client.delete_database, database)
        self.assertEqual(self.offer(database)["offerThroughput"], 600)
        database.replace_throughput(800)
        self.assertEqual(self.offer(database)["offerThroughput"], 800)
        container = database.create_container("items", PartitionKey(path="/pk"))
        with self.assertRaises(Exception) as raised:
            self.assertIsNone(container.read_offer())
        self.assertIn(getattr(raised.exception, "status_code", 404), (404,))

    def test_a_database_without_throughput_has_no_offer(self):
        with self.assertRaises(Exception):
            self.assertIsNone(self.database.read_offer().properties)

    @since("4.3.0", "has no autoscale")
    def test_autoscale_has_a_maximum(self):
        from azure.cosmos import ThroughputProperties

        container = self.container(offer_throughput=ThroughputProperties(auto_scale_max_throughput=5000))
        self.assertEqual(container.get_throughput().auto_scale_max_throughput, 5000)
        container.replace_throughput(ThroughputProperties(auto_scale_max_throughput=7000))
        self.assertEqual(container.get_throughput().auto_scale_max_throughput, 7000)

    @since("4.9.0", "has no read_feed_ranges")
    def test_a_container_has_one_physical_partition_for_each_ten_thousand_request_units(self):
        self.assertEqual(len(list(self.container().read_feed_ranges())), 1)
        self.assertEqual(len(list(self.container(offer_throughput=FOUR_PARTITIONS).read_feed_ranges())), 4)
