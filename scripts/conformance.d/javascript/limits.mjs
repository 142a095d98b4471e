import assert from "node:assert/strict";
import { it } from "node:test";

import {
  assertRejected,
  Beginning,
  changePages,
  ids,
  itemName,
  itemNames,
  PAGE_BYTES,
  query,
  queryPages,
  since,
  topic,
} from "./sdk.mjs";

export default topic("limits", ({ responses, newContainer }) => {
  it("a page has at most a thousand documents", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer();
    for (let start = 0; start < 1500; start += 100) {
      const numbers = Array.from({ length: 100 }, (_, index) => start + index);
      const batch = numbers.map((n) => ({ operationType: "Create", resourceBody: { id: itemName(n), pk: "a" } }));
      await container.items.batch(batch, "a");
    }
    const queried = await queryPages(container, { partitionKey: "a", maxItemCount: 5000 });
    const fed = await changePages(container, Beginning(), { maxItemCount: 5000 });
    for (const pages of [queried, fed.pages]) {
      assert.ok(Math.max(...pages.map((page) => page.length)) <= 1000);
      assert.deepEqual(ids(pages.flat()), itemNames(1500));
    }
  });

  it("a page is at most four megabytes", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer();
    const filling = "x".repeat(400_000);
    for (let n = 0; n < 20; n++) await container.items.create({ id: itemName(n), pk: "a", filling });
    const start = responses.length;
    const queried = await queryPages(container, { partitionKey: "a", maxItemCount: 100 });
    const fed = await changePages(container, Beginning(), { maxItemCount: 100 });
    const largest = Math.max(...responses.slice(start).map((response) => response.bytes));
    assert.ok(largest <= PAGE_BYTES, `${largest} bytes`);
    for (const pages of [queried, fed.pages]) assert.deepEqual(ids(pages.flat()), itemNames(20));
  });

  it("an item over two megabytes is rejected with 413", async () => {
    const container = await newContainer();
    await container.items.create({ id: "fits", pk: "a", filling: "x".repeat(2 * 1024 * 1024 - 2048) });
    const tooLarge = { id: "too large", pk: "a", filling: "x".repeat(2 * 1024 * 1024 + 1) };
    await assertRejected(413, container.items.create(tooLarge));
    await assertRejected(413, container.items.upsert(tooLarge));
    await assertRejected(413, container.item("fits", "a").replace({ ...tooLarge, id: "fits" }));
    assert.deepEqual(await query(container, "SELECT VALUE c.id FROM c"), ["fits"]);
  });

  it("an id with a slash is rejected", async () => {
    const container = await newContainer();
    for (const id of ["a/b", "a\\b"]) {
      // An error raised by the SDK itself has a message and no code.
      const error = await container.items.create({ id, pk: "a" }).then(
        () => assert.fail(`${id} was created`),
        (error) => error,
      );
      assert.ok(error.code === 400 || /illegal/.test(error.message), error.message);
    }
    assert.deepEqual(await query(container, "SELECT * FROM c"), []);
  });

  it("an id over 1023 bytes is rejected with 400", async () => {
    const container = await newContainer();
    await container.items.create({ id: "x".repeat(1023), pk: "a" });
    await assertRejected(400, container.items.create({ id: "x".repeat(1024), pk: "a" }));
  });
});
