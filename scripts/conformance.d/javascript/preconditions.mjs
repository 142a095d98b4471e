import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, body, topic } from "./sdk.mjs";

export default topic("preconditions", ({ responses, newContainer }) => {
  const ifMatch = (condition) => ({ accessCondition: { type: "IfMatch", condition } });
  const ifNoneMatch = (condition) => ({ accessCondition: { type: "IfNoneMatch", condition } });

  it("every write creates a new etag", async () => {
    const container = await newContainer();
    const etags = new Set();
    for (let count = 0; count < 5; count++) {
      const { etag, resource } = await container.items.upsert({ id: "1", pk: "a" });
      assert.equal(etag, resource._etag);
      etags.add(etag);
    }
    assert.equal(etags.size, 5);
    assert.ok(etags.has((await container.item("1", "a").read()).etag));
  });

  it("a write with a stale etag is rejected with 412", async () => {
    const container = await newContainer();
    const { etag: stale } = await container.items.create({ id: "1", pk: "a", number: 1 });
    const { etag: current } = await container.items.upsert({ id: "1", pk: "a", number: 2 });
    const replacement = { id: "1", pk: "a", number: 3 };
    await assertRejected(412, container.item("1", "a").replace(replacement, ifMatch(stale)));
    await assertRejected(412, container.items.upsert(replacement, ifMatch(stale)));
    await assertRejected(412, container.item("1", "a").delete(ifMatch(stale)));
    assert.equal((await container.item("1", "a").read()).resource.number, 2);
    await container.item("1", "a").replace(replacement, ifMatch(current));
    assert.equal((await container.item("1", "a").read()).resource.number, 3);
  });

  it("a star matches any existing item", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.item("1", "a").replace({ id: "1", pk: "a", number: 2 }, ifMatch("*"));
    assert.equal((await container.item("1", "a").read()).resource.number, 2);
    await container.item("1", "a").delete(ifMatch("*"));
    await assertRejected(404, container.item("1", "a").replace({ id: "1", pk: "a" }, ifMatch("*")));
  });

  it("a delete with the current etag succeeds", async () => {
    const container = await newContainer();
    const { etag } = await container.items.create({ id: "1", pk: "a" });
    await container.item("1", "a").delete(ifMatch(etag));
    assert.equal((await container.item("1", "a").read()).statusCode, 404);
  });

  it("a read of a known version returns 304 without a body", async () => {
    const container = await newContainer();
    const { etag: old } = await container.items.create({ id: "1", pk: "a", number: 1 });
    for (const etag of [old, "*"]) {
      const read = await container.item("1", "a").read(ifNoneMatch(etag));
      assert.deepEqual([read.statusCode, read.resource, responses.at(-1).bytes], [304, null, 0]);
    }
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    const read = await container.item("1", "a").read(ifNoneMatch(old));
    assert.deepEqual([read.statusCode, read.resource.number], [200, 2]);
  });
});
