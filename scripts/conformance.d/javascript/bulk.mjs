import assert from "node:assert/strict";
import { it } from "node:test";

import { Beginning, changed, ids, itemName, itemNames, query, randomName, since, topic } from "./sdk.mjs";

export default topic("bulk", ({ database, newContainer, filledContainer }) => {
  const operations = (count, operationType, more) =>
    Array.from({ length: count }, (_, number) => ({
      operationType,
      partitionKey: `key-${number % 37}`,
      resourceBody: { id: itemName(number), pk: `key-${number % 37}`, ...more },
    }));

  it("five hundred operations across partitions are all applied", since("4.3.0", "has no executeBulkOperations"), async () => {
    const container = await newContainer();
    for (const [type, status] of [["Create", 201], ["Upsert", 200]]) {
      const results = await container.items.executeBulkOperations(operations(500, type, { type }));
      assert.deepEqual(new Set(results.map((result) => result.response?.statusCode)), new Set([status]));
      assert.ok(results.every((result) => result.response.requestCharge > 0));
    }
    const found = await query(container, "SELECT c.id, c.type FROM c");
    assert.deepEqual(ids(found), itemNames(500));
    assert.ok(found.every((item) => item.type === "Upsert"));
    const changes = await changed(container, Beginning());
    assert.deepEqual(ids(changes), itemNames(500));
    assert.ok(changes.every((item) => item.type === "Upsert"));
  });

  it("a failing operation does not stop the others", since("4.3.0", "has no executeBulkOperations"), async () => {
    const container = await newContainer();
    await container.items.create({ id: itemName(7), pk: "key-7", number: 7 });
    const results = await container.items.executeBulkOperations(operations(50, "Create"));
    const statuses = results.map((result) => result.response?.statusCode ?? result.error?.code);
    assert.deepEqual(
      statuses,
      Array.from({ length: 50 }, (_, number) => (number === 7 ? 409 : 201)),
    );
    assert.equal((await container.item(itemName(7), "key-7").read()).resource.number, 7);
  });

  it("operations of all kinds can be combined", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(3, 3);
    const written = (number) => {
      const pk = `key-${number}`;
      return { partitionKey: pk, resourceBody: { id: itemName(number), pk } };
    };
    const results = await container.items.bulk([
      { operationType: "Read", id: itemName(0), partitionKey: "key-0" },
      { operationType: "Replace", ...written(1), id: itemName(1) },
      { operationType: "Delete", id: itemName(2), partitionKey: "key-2" },
      { operationType: "Delete", id: "missing", partitionKey: "key-2" },
      { operationType: "Create", ...written(9) },
    ]);
    assert.deepEqual(
      results.map((result) => result.statusCode),
      [200, 200, 204, 404, 201],
    );
    assert.equal(results[0].resourceBody.number, 0);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), [itemName(0), itemName(1), itemName(9)]);
    assert.deepEqual(ids(await changed(container, Beginning())), [itemName(0), itemName(1), itemName(9)]);
  });

  it("a container defined without a partition key version accepts bulk writes", since("4.3.0", "has no executeBulkOperations"), async () => {
    const { container } = await database.containers.create({ id: randomName("container"), partitionKey: "/pk" });
    const results = await container.items.executeBulkOperations(operations(60, "Create"));
    assert.deepEqual(new Set(results.map((result) => result.response?.statusCode)), new Set([201]));
    assert.equal((await container.item(itemName(40), "key-3").read()).resource?.id, itemName(40));
  });

  it("one of twenty concurrent creates of an item succeeds", async () => {
    const container = await newContainer();
    const tries = Array.from({ length: 20 }, (_, number) => container.items.create({ id: "1", pk: "a", number }));
    const results = await Promise.allSettled(tries);
    assert.equal(results.filter(({ reason }) => reason?.code === 409).length, 19);
  });
});
