"""A handler in Python that stores each change as a record, as a careful user would write it with asyncio."""

import asyncio
import json
import os
from datetime import datetime, timezone

from aiohttp import web
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosResourceExistsError

CONCURRENT_WRITES = 32
MAX_REQUEST_BYTES = 256 * 1024 * 1024
SYSTEM_PROPERTIES = {"_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"}


def record(change):
    return {
        "id": f"{change['_ts']:010}-{change['_etag'].strip(chr(34))}",
        "pk": change["pk"],
        "sourceId": change["id"],
        "partitionKey": [change["pk"]],
        "operation": "write",
        "sourceTs": change["_ts"],
        "lsn": change["_lsn"],
        "etag": change["_etag"],
        "capturedAt": datetime.now(timezone.utc).isoformat(),
        "document": {name: value for name, value in change.items() if name not in SYSTEM_PROPERTIES},
    }


async def main():
    client = CosmosClient(os.environ["COSMOS_ENDPOINT"], os.environ["COSMOS_KEY"])
    changes = client.get_database_client("dev").get_container_client("changes")

    async def store(records):
        remaining = iter(records)

        async def writer():
            for item in remaining:
                try:
                    await changes.create_item(item, no_response=True)
                except CosmosResourceExistsError:
                    pass

        await asyncio.gather(*(writer() for _ in range(CONCURRENT_WRITES)))

    async def post(request):
        invocation = json.loads(await request.read())
        documents = json.loads(json.loads(invocation["Data"]["documents"]))
        await store([record(change) for change in documents])
        return web.json_response({"Outputs": {}, "Logs": [], "ReturnValue": None})

    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    app.router.add_post("/CosmosChangeFeed", post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"listening on http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
