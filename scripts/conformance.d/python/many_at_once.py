"""Many requests at the same time."""

import asyncio

from azure.cosmos import exceptions

from sdk import AsyncCosmosClient, CONNECTION_STRING, EndpointTest, since


@since("4.3.0", "has no asynchronous client")
class ManyAtOnce(EndpointTest):
    def test_five_hundred_concurrent_writes_are_all_stored(self):
        container = self.container()

        async def write():
            async with AsyncCosmosClient.from_connection_string(CONNECTION_STRING) as client:
                target = client.get_database_client(self.database.id).get_container_client(container.id)
                await asyncio.gather(
                    *(target.create_item({"id": f"{n:03}", "pk": f"key-{n % 37}", "number": n}) for n in range(500))
                )
                await asyncio.gather(
                    *(target.upsert_item({"id": f"{n:03}", "pk": f"key-{n % 37}", "number": -n}) for n in range(500))
                )

        asyncio.run(write())
        found = self.query(container, "SELECT c.id, c.number FROM c")
        expected = {f"{n:03}": -n for n in range(500)}
        self.assertEqual({item["id"]: item["number"] for item in found}, expected)
        changes = self.changed(container, start_time="Beginning")
        self.assertEqual(len(changes), 500)
        self.assertEqual({item["id"]: item["number"] for item in changes}, expected)

    def test_one_of_twenty_concurrent_creates_of_an_item_succeeds(self):
        container = self.container()

        async def create():
            async with AsyncCosmosClient.from_connection_string(CONNECTION_STRING) as client:
                target = client.get_database_client(self.database.id).get_container_client(container.id)
                tries = (target.create_item({"id": "1", "pk": "a", "number": n}) for n in range(20))
                return await asyncio.gather(*tries, return_exceptions=True)

        results = asyncio.run(create())
        assert_rejected = [each for each in results if isinstance(each, exceptions.CosmosResourceExistsError)]
        self.assertEqual(len(assert_rejected), 19)
