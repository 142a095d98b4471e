import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, Beginning, changed, ids, query, randomName, since, topic } from "./sdk.mjs";

export default topic("containers", ({ database, newContainer, filledContainer }) => {
  it("a created container can be read and listed", async () => {
    const container = await newContainer("/deep/key", { defaultTtl: 3600 });
    const { resource } = await container.read();
    assert.equal(resource.id, container.id);
    assert.deepEqual(resource.partitionKey.paths, ["/deep/key"]);
    assert.equal(resource.defaultTtl, 3600);
    assert.ok(ids((await database.containers.readAll().fetchAll()).resources).includes(container.id));
  });

  it("a second create is rejected with 409", async () => {
    const { id } = await newContainer();
    await assertRejected(409, database.containers.create({ id, partitionKey: "/pk" }));
  });

  it("a missing container returns 404", async () => {
    const missing = database.container(randomName("missing"));
    await assertRejected(404, missing.read());
    await assertRejected(404, missing.delete());
    await assertRejected(404, missing.items.create({ id: "1", pk: "a" }));
  });

  it("a container created again under the same name is empty", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(5);
    await container.delete();
    await assertRejected(404, container.read());
    const { container: recreated } = await database.containers.create({ id: container.id, partitionKey: "/pk" });
    assert.deepEqual(await query(recreated, "SELECT * FROM c"), []);
    assert.deepEqual(await changed(recreated, Beginning()), []);
  });
});
