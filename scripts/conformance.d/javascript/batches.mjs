import assert from "node:assert/strict";
import { it } from "node:test";

import { Beginning, changed, ids, query, since, topic } from "./sdk.mjs";

export default topic("batches", ({ newContainer }) => {
  const create = (id, more) => ({ operationType: "Create", resourceBody: { id, pk: "a", ...more } });
  const upsert = (id, more) => ({ operationType: "Upsert", resourceBody: { id, pk: "a", ...more } });
  const replace = (id, more, options) => {
    return { operationType: "Replace", id, resourceBody: { id, pk: "a", ...more }, ...options };
  };
  const statuses = (response) => response.result.map((result) => result.statusCode);

  it("all operations of a batch are applied", async () => {
    const container = await newContainer();
    for (const id of ["replaced", "deleted", "read"]) await container.items.create({ id, pk: "a", number: 1 });
    const response = await container.items.batch(
      [
        create("created"),
        upsert("upserted"),
        replace("replaced", { number: 2 }),
        { operationType: "Read", id: "read" },
        { operationType: "Delete", id: "deleted" },
      ],
      "a",
    );
    assert.equal(response.code, 200);
    assert.deepEqual(statuses(response), [201, 201, 200, 200, 204]);
    assert.equal(response.result[3].resourceBody.number, 1);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), ["created", "read", "replaced", "upserted"]);
    assert.equal((await container.item("replaced", "a").read()).resource.number, 2);
  });

  it("a batch with one failing operation changes nothing", async () => {
    const container = await newContainer();
    await container.items.create({ id: "existing", pk: "a", number: 1 });
    const response = await container.items.batch([create("before"), create("existing"), upsert("after")], "a");
    assert.equal(response.code, 207);
    assert.deepEqual(statuses(response), [424, 409, 424]);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), ["existing"]);
    assert.equal((await container.item("existing", "a").read()).resource.number, 1);
  });

  it("a stale etag fails the batch with 412", async () => {
    const container = await newContainer();
    const { etag: ifMatch } = await container.items.create({ id: "1", pk: "a" });
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    const response = await container.items.batch([create("2"), replace("1", { number: 3 }, { ifMatch })], "a");
    assert.deepEqual(statuses(response), [424, 412]);
    assert.equal((await container.item("2", "a").read()).statusCode, 404);
  });

  it("the items of one batch share a log sequence number", async () => {
    const container = await newContainer();
    await container.items.create({ id: "before", pk: "a" });
    const batch = Array.from({ length: 10 }, (_, number) => `batch-${number}`);
    await container.items.batch(
      batch.map((id) => create(id)),
      "a",
    );
    await container.items.create({ id: "after", pk: "a" });
    const changes = await changed(container, Beginning("a"));
    const sequence = Object.fromEntries(changes.map((item) => [item.id, item._lsn]));
    assert.equal(new Set(batch.map((id) => sequence[id])).size, 1);
    assert.ok(sequence.before < sequence["batch-0"] && sequence["batch-0"] < sequence.after);
  });
}, since("3.14.0", "has no batches"));
