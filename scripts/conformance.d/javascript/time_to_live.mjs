import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { assertRejected, Beginning, changed, ids, query, since, topic } from "./sdk.mjs";

// An expired document may remain visible this long, because `_ts` is in whole seconds and polling takes time.
const EXPIRY_LAG_SECONDS = 1.5;

export default topic("time to live", ({ newContainer }) => {
  /** Whether the item exists. A read, a query and a count must agree. */
  async function exists(container, id) {
    const { statusCode } = await container.item(id, "a").read();
    const condition = "FROM c WHERE c.id = @id";
    const queried = await query(container, `SELECT * ${condition}`, { "@id": id });
    const counted = await query(container, `SELECT VALUE COUNT(1) ${condition}`, { "@id": id }, { partitionKey: "a" });
    if (statusCode === 404) assert.deepEqual([queried, counted], [[], [0]], "a query sees what a read does not");
    return statusCode === 200;
  }

  // On a busy machine any request can take seconds. So an item is too late only if a request that was sent too late still finds it, and
  // too early only if an answer that came too early does not have it.

  /** Writes an item, and returns the times before and after the write. */
  async function timed(write) {
    const before = performance.now();
    await write;
    return { before, after: performance.now() };
  }

  /** Whether the item exists. It must, unless the time to live may be over. */
  async function existsUntil(container, id, seconds, { before }) {
    const found = await exists(container, id);
    assert.ok(found || (performance.now() - before) / 1000 > seconds - 1.1, `${id} expired too early`);
    return found;
  }

  async function assertExpires(container, id, seconds, written) {
    for (;;) {
      const age = (performance.now() - written.after) / 1000;
      if (!(await existsUntil(container, id, seconds, written))) return;
      assert.ok(age < seconds + EXPIRY_LAG_SECONDS, `${id} expired too late`);
      await sleep(100);
    }
  }

  it("the default of the container applies unless the document overrides it", async () => {
    const container = await newContainer("/pk", { defaultTtl: 2 });
    const byDefault = await timed(container.items.create({ id: "by default", pk: "a" }));
    const longer = await timed(container.items.create({ id: "longer", pk: "a", ttl: 4 }));
    await container.items.create({ id: "never", pk: "a", ttl: -1 });
    await assertExpires(container, "by default", 2, byDefault);
    await existsUntil(container, "longer", 4, longer);
    await assertExpires(container, "longer", 4, longer);
    assert.ok(await exists(container, "never"));
  });

  it("without a default only documents with a time to live expire", async () => {
    const container = await newContainer("/pk", { defaultTtl: -1 });
    await container.items.create({ id: "plain", pk: "a" });
    const short = await timed(container.items.create({ id: "short", pk: "a", ttl: 2 }));
    await assertExpires(container, "short", 2, short);
    assert.ok(await exists(container, "plain"));
  });

  it("a time to live has no effect where it is not enabled", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", ttl: 1 });
    await sleep(2500);
    assert.ok(await exists(container, "1"));
  });

  it("a time to live that is no positive whole number is rejected with 400", async () => {
    const container = await newContainer("/pk", { defaultTtl: -1 });
    for (const ttl of [0, -2, "10", 1.5, null]) await assertRejected(400, container.items.create({ id: "1", pk: "a", ttl }));
  });

  it("a write restarts the time to live", async () => {
    const container = await newContainer("/pk", { defaultTtl: 3 });
    await container.items.create({ id: "1", pk: "a" });
    await sleep(2000);
    const written = await timed(container.items.upsert({ id: "1", pk: "a", number: 2 }));
    await sleep(1300);
    await existsUntil(container, "1", 3, written);
    await assertExpires(container, "1", 3, written);
  });

  it("an expired document is not in the change feed and can be created again", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer("/pk", { defaultTtl: -1 });
    const written = await timed(container.items.create({ id: "1", pk: "a", ttl: 3 }));
    const found = ids(await changed(container, Beginning()));
    if ((performance.now() - written.before) / 1000 < 1.9) assert.deepEqual(found, ["1"]);
    await assertExpires(container, "1", 3, written);
    assert.deepEqual(await changed(container, Beginning()), []);
    await assertRejected(404, container.item("1", "a").replace({ id: "1", pk: "a" }));
    await assertRejected(404, container.item("1", "a").delete());
    const { statusCode } = await container.items.create({ id: "1", pk: "a", number: 2 });
    assert.equal(statusCode, 201);
    assert.equal((await container.item("1", "a").read()).resource.number, 2);
  });
});
