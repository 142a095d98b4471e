import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, ids, randomName, topic } from "./sdk.mjs";

export default topic("databases", ({ client, database }) => {
  async function newDatabase(test) {
    const { database } = await client.databases.create({ id: randomName("database") });
    test.after(() => database.delete().catch(() => {}));
    return database;
  }

  it("a created database can be read and listed", async (test) => {
    const database = await newDatabase(test);
    assert.equal((await database.read()).resource.id, database.id);
    const { resources } = await client.databases.readAll().fetchAll();
    assert.ok(ids(resources).includes(database.id));
  });

  it("a second create is rejected with 409", async (test) => {
    const { id } = await newDatabase(test);
    await assertRejected(409, client.databases.create({ id }));
  });

  it("create if not exists returns the existing database", async (test) => {
    const database = await newDatabase(test);
    const { resource } = await client.databases.createIfNotExists({ id: database.id });
    assert.equal(resource._rid, (await database.read()).resource._rid);
  });

  it("a missing database returns 404", async () => {
    const missing = client.database(randomName("missing"));
    await assertRejected(404, missing.read());
    await assertRejected(404, missing.delete());
  });

  it("deleting a database deletes its containers", async (test) => {
    const database = await newDatabase(test);
    const { container } = await database.containers.create({ id: "items", partitionKey: "/pk" });
    await container.items.create({ id: "1", pk: "a" });
    await database.delete();
    assert.ok(!ids((await client.databases.readAll().fetchAll()).resources).includes(database.id));
    await assertRejected(404, database.read());
    await client.databases.create({ id: database.id });
    assert.deepEqual((await database.containers.readAll().fetchAll()).resources, []);
  });
});
