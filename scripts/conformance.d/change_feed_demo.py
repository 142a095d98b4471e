"""A plain program that demonstrates the change feed, written for azure-cosmos 4.0.0 and unchanged by this project's needs.

Each command uses the SDK as its documentation shows, without options of newer versions.

    COSMOS_CONNECTION_STRING=... python change_feed_demo.py setup | write | read | query | feed | cleanup | all
"""

import os
import sys

from azure.cosmos import CosmosClient, PartitionKey, exceptions

DATABASE, CONTAINER = "change-feed-demo", "orders"
ORDERS = 10


def client():
    return CosmosClient.from_connection_string(os.environ["COSMOS_CONNECTION_STRING"])


def container():
    return client().get_database_client(DATABASE).get_container_client(CONTAINER)


def setup():
    """Creates the database and the container, or finds them."""
    database = client().create_database_if_not_exists(DATABASE)
    database.create_container_if_not_exists(CONTAINER, PartitionKey(path="/customer"), offer_throughput=400)
    return f"{DATABASE}/{CONTAINER} exists"


def write():
    """Writes orders, and changes one of them."""
    orders = container()
    for number in range(ORDERS):
        orders.upsert_item({"id": f"order-{number}", "customer": f"customer-{number % 3}", "total": number * 10})
    order = orders.read_item("order-3", partition_key="customer-0")
    order["total"] = 333
    orders.replace_item(item=order, body=order)
    return f"wrote {ORDERS} orders"


def read():
    """Reads one order, and one that does not exist."""
    orders = container()
    order = orders.read_item("order-3", partition_key="customer-0")
    assert order["total"] == 333, order
    try:
        orders.read_item("order-99", partition_key="customer-0")
    except exceptions.CosmosResourceNotFoundError:
        return f"order-3 costs {order['total']}"
    raise AssertionError("order-99 exists")


def query():
    """Queries orders of one customer, and the sum of all customers."""
    orders = container()
    mine = orders.query_items(
        "SELECT c.id FROM c WHERE c.customer = @customer ORDER BY c.id",
        parameters=[{"name": "@customer", "value": "customer-1"}],
        partition_key="customer-1",
    )
    found = [order["id"] for order in mine]
    assert found == ["order-1", "order-4", "order-7"], found
    total = list(orders.query_items("SELECT VALUE SUM(c.total) FROM c", enable_cross_partition_query=True))
    assert total == [sum(number * 10 for number in range(ORDERS)) - 30 + 333], total
    every = list(orders.query_items('SELECT * FROM c WHERE c["total"] > 50', enable_cross_partition_query=True, max_item_count=2))
    assert len(every) == 5, every
    return f"all orders cost {total[0]}"


def feed():
    """Reads the change feed from the beginning, then only what changed since."""
    orders = container()
    changes = list(orders.query_items_change_feed(is_start_from_beginning=True))
    found = sorted(change["id"] for change in changes)
    assert found == sorted(f"order-{number}" for number in range(ORDERS)), found
    assert next(change for change in changes if change["id"] == "order-3")["total"] == 333
    continuation = orders.client_connection.last_response_headers["etag"]
    assert list(orders.query_items_change_feed(continuation=continuation)) == []
    orders.upsert_item({"id": "order-new", "customer": "customer-2", "total": 1})
    later = [change["id"] for change in orders.query_items_change_feed(continuation=continuation)]
    assert later == ["order-new"], later
    return f"{len(changes)} changes, then {len(later)}"


def cleanup():
    """Deletes the database."""
    client().delete_database(DATABASE)
    assert DATABASE not in [database["id"] for database in client().list_databases()]
    return f"{DATABASE} deleted"


COMMANDS = {command.__name__: command for command in (setup, write, read, query, feed, cleanup)}


def main(name):
    if name not in COMMANDS and name != "all":
        sys.exit(f"unknown command {name!r}; use {', '.join(COMMANDS)} or all")
    failed = False
    for command in COMMANDS if name == "all" else [name]:
        try:
            print(f"ok {command}: {COMMANDS[command]()}")
        except (AssertionError, KeyError, exceptions.CosmosHttpResponseError) as error:
            print(f"FAILED {command}: {type(error).__name__}: {error}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "all"))
