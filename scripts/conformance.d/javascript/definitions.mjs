import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, body, NO_KEY, query, randomName, topic } from "./sdk.mjs";

// Definitions of containers: what is stored, what can be replaced, what is refused.
export default topic("definitions", ({ database, newContainer, filledContainer }) => {
  it("a default indexing policy covers every path", async () => {
    const { indexingPolicy } = (await (await newContainer()).read()).resource;
    assert.deepEqual([indexingPolicy.indexingMode, indexingPolicy.automatic], ["consistent", true]);
    assert.deepEqual(
      indexingPolicy.includedPaths.map(({ path }) => path),
      ["/*"],
    );
    assert.ok(indexingPolicy.excludedPaths.some(({ path }) => path === '/"_etag"/?'));
  });

  it("an indexing policy is stored", async () => {
    const composite = [{ path: "/x", order: "ascending" }, { path: "/y", order: "descending" }];
    const container = await newContainer("/pk", {
      indexingPolicy: {
        indexingMode: "consistent",
        includedPaths: [{ path: "/x/?" }, { path: "/y/?" }],
        excludedPaths: [{ path: "/*" }],
        compositeIndexes: [composite],
      },
    });
    const { indexingPolicy } = (await container.read()).resource;
    assert.deepEqual(indexingPolicy.compositeIndexes, [composite]);
    assert.deepEqual(
      indexingPolicy.includedPaths.map(({ path }) => path),
      ["/x/?", "/y/?"],
    );
  });

  it("a time to live can be replaced", async () => {
    const container = await newContainer("/pk", { defaultTtl: 100 });
    const { resource } = await container.read();
    await container.replace({ ...resource, defaultTtl: 200 });
    assert.equal((await container.read()).resource.defaultTtl, 200);
  });

  it("a new partition key is rejected with 400", async () => {
    const container = await newContainer();
    const { resource } = await container.read();
    const partitionKey = { ...resource.partitionKey, paths: ["/other"] };
    await assertRejected(400, container.replace({ ...resource, partitionKey }));
  });

  it("a time to live of zero or below minus one is rejected with 400", async () => {
    for (const defaultTtl of [0, -2]) await assertRejected(400, newContainer("/pk", { defaultTtl }));
  });

  it("a key path without a slash is rejected with 400", async () => {
    await assertRejected(400, newContainer("pk"));
  });

  it("four levels of a key are rejected with 400", async () => {
    const partitionKey = { paths: ["/a", "/b", "/c", "/d"], kind: "MultiHash", version: 2 };
    await assertRejected(400, database.containers.create({ id: randomName("container"), partitionKey }));
  });

  it("an id of 256 characters is rejected with 400", async () => {
    await assertRejected(400, database.containers.create({ id: "x".repeat(256), partitionKey: "/pk" }));
  });

  it("a key value over 2,048 bytes is rejected with 400", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "x".repeat(2048) });
    await assertRejected(400, container.items.create({ id: "2", pk: "x".repeat(2049) }));
  });

  it("a key path through a number is a missing key", async () => {
    const container = await newContainer("/deep/key");
    await container.items.create({ id: "1", deep: 5 });
    assert.deepEqual(body((await container.item("1", NO_KEY).read()).resource), { id: "1", deep: 5 });
  });

  it("a document under another key than its request's is rejected with 400 and sub-status 1001", async () => {
    const container = await filledContainer(1);
    const error = await assertRejected(400, container.item("item-0000", "other").replace({ id: "item-0000", pk: "key-0" }));
    assert.equal(error.substatus, 1001);
  });

  it("order by two properties without a composite index is rejected with 400", async () => {
    const container = await filledContainer(3);
    const text = "SELECT * FROM c ORDER BY c.pk, c.number";
    await assertRejected(400, query(container, text, {}, { partitionKey: "key-0" }));
  });

  it("order by an excluded path is rejected with 400", async () => {
    const indexingPolicy = { includedPaths: [{ path: "/*" }], excludedPaths: [{ path: "/number/?" }] };
    const container = await filledContainer(3, 10, { indexingPolicy });
    await assertRejected(400, query(container, "SELECT * FROM c ORDER BY c.number", {}, { partitionKey: "key-0" }));
  });

  it("order by two properties with a composite index sorts by both", async () => {
    const composite = [{ path: "/pk", order: "ascending" }, { path: "/number", order: "descending" }];
    const container = await filledContainer(6, 2, { indexingPolicy: { compositeIndexes: [composite] } });
    const text = "SELECT VALUE c.number FROM c ORDER BY c.pk ASC, c.number DESC";
    assert.deepEqual(await query(container, text), [4, 2, 0, 5, 3, 1]);
  });

  it("a computed property can be queried and is not stored", async () => {
    const computedProperties = [{ name: "lower", query: "SELECT VALUE LOWER(c.name) FROM c" }];
    const container = await newContainer("/pk", { computedProperties });
    await container.items.create({ id: "1", pk: "a", name: "ABC" });
    assert.deepEqual(await query(container, "SELECT VALUE c.lower FROM c WHERE c.lower = 'abc'"), ["abc"]);
    assert.ok(!("lower" in (await container.item("1", "a").read()).resource));
  });
});
