import assert from "node:assert/strict";
import { it } from "node:test";

import {
  assertRejected,
  Beginning,
  changed,
  connect,
  itemName,
  query,
  queryPages,
  randomName,
  since,
  topic,
} from "./sdk.mjs";

export default topic("errors", ({ client, responses, database, newContainer, filledContainer }) => {
  it("a missing item returns 404 without a sub-status", async () => {
    const container = await newContainer();
    const { statusCode, substatus } = await container.item("1", "a").read();
    assert.deepEqual([statusCode, substatus ?? 0], [404, 0]);
  });

  it("an item of a deleted container returns 404 with sub-status 1003", async () => {
    const container = await filledContainer(1);
    const [other] = connect();
    await other.database(database.id).container(container.id).delete();
    other.dispose?.();
    const { statusCode, substatus } = await container.item(itemName(0), "key-0").read();
    assert.deepEqual([statusCode, substatus], [404, 1003]);
  });

  it("a container of a missing database returns 404 with sub-status 1003", async () => {
    const error = await assertRejected(404, client.database(randomName("missing")).container("items").read());
    assert.equal(error.substatus, 1003);
  });

  it("an invalid query returns 400", async () => {
    const container = await newContainer();
    await assertRejected(400, query(container, "SELEC * FRM c"));
    await assertRejected(400, query(container, "SELECT * FROM c WHERE", {}, { partitionKey: "a" }));
  });

  it("an item without an id returns 400", async () => {
    const container = await newContainer();
    await assertRejected(400, container.items.create({ pk: "a" }, { disableAutomaticIdGeneration: true }));
    await assertRejected(400, container.items.upsert({ pk: "a" }, { disableAutomaticIdGeneration: true }));
  });

  it("every response has its request charge", since("4.0.0", "has no change feed iterator"), async () => {
    const [client, responses] = connect();
    const { database } = await client.databases.create({ id: randomName("database") });
    const { container } = await database.containers.create({ id: "items", partitionKey: "/pk" });
    await container.read();
    const { etag: condition } = await container.items.create({ id: "1", pk: "a" });
    await container.items.upsert({ id: "1", pk: "a" });
    await container.item("1", "a").replace({ id: "1", pk: "a" });
    await container.item("1", "a").read();
    await container.items.batch([{ operationType: "Create", resourceBody: { id: "2", pk: "a" } }], "a");
    await container.items.bulk([{ operationType: "Upsert", partitionKey: "b", resourceBody: { id: "3", pk: "b" } }]);
    await queryPages(container, { partitionKey: "a" });
    await changed(container, Beginning());
    await container.item("1", "a").delete();
    await container.item("1", "a").read();
    await assertRejected(409, container.items.create({ id: "2", pk: "a" }));
    const stale = { accessCondition: { type: "IfMatch", condition } };
    await assertRejected(412, container.item("2", "a").replace({ id: "2", pk: "a" }, stale));
    await database.delete();
    client.dispose?.();
    // Reading the account or the partition key ranges has no charge.
    const charged = responses.filter(({ path }) => path !== "" && !/pkranges\/?$/.test(path));
    assert.ok(charged.length > 12);
    assert.deepEqual(
      charged.filter(({ charge }) => !(charge > 0)),
      [],
    );
  });
});
