import assert from "node:assert/strict";
import { it } from "node:test";

import { FOUR_PARTITIONS, ids, itemNames, resumedPages, since, topic } from "./sdk.mjs";

// Pages of queries, each resumed from the continuation of the page before, over four physical partitions.
export default topic("continuations", ({ newContainer, filledContainer }) => {
  const partitionedContainer = (count) => filledContainer(count, 17, { throughput: FOUR_PARTITIONS });
  const numbers = (count, start = 0) => Array.from({ length: count }, (_, index) => start + index);

  async function allPages(container, text, maxItemCount) {
    const iterator = container.items.query(text, { maxItemCount });
    const rows = [];
    while (iterator.hasMoreResults()) rows.push(...((await iterator.fetchNext()).resources ?? []));
    return rows;
  }

  it("pages of all documents are complete", async () => {
    const pages = await resumedPages(await partitionedContainer(60), "SELECT * FROM c", { maxItemCount: 7 });
    assert.ok(Math.max(...pages.map((page) => page.length)) <= 7);
    assert.deepEqual(ids(pages.flat()), itemNames(60));
  });

  it("pages of a filter are complete", async () => {
    const text = "SELECT VALUE c.number FROM c WHERE c.number % 3 = 0";
    const pages = await resumedPages(await partitionedContainer(60), text, { maxItemCount: 4 });
    assert.deepEqual(
      pages.flat().sort((left, right) => left - right),
      numbers(20).map((number) => number * 3),
    );
  });

  it("pages of an order over several partitions continue the order", since("4.10.0", "has no continuation of an order"), async () => {
    const container = await partitionedContainer(60);
    for (const [direction, expected] of [["ASC", numbers(60)], ["DESC", numbers(60).toReversed()]]) {
      const options = { maxItemCount: 7, enableQueryControl: true };
      const pages = await resumedPages(container, `SELECT VALUE c.number FROM c ORDER BY c.number ${direction}`, options);
      assert.deepEqual(pages.flat(), expected);
    }
  });

  it("pages of an order with equal values are complete", since("4.10.0", "has no continuation of an order"), async () => {
    const container = await partitionedContainer(60);
    const options = { maxItemCount: 7, enableQueryControl: true };
    const pages = await resumedPages(container, "SELECT c.id, c.pk FROM c ORDER BY c.pk", options);
    assert.deepEqual(ids(pages.flat()), itemNames(60));
    const keys = pages.flat().map(({ pk }) => pk);
    assert.deepEqual(keys, keys.toSorted());
  });

  it("pages of an order within one partition continue the order", async () => {
    const container = await filledContainer(30, 1);
    const iterator = container.items.query("SELECT VALUE c.number FROM c ORDER BY c.number DESC", {
      partitionKey: "key-0",
      maxItemCount: 7,
    });
    const rows = [];
    while (iterator.hasMoreResults()) rows.push(...((await iterator.fetchNext()).resources ?? []));
    assert.deepEqual(rows, numbers(30).toReversed());
  });

  it("pages of non-ASCII values are complete", async () => {
    const container = await newContainer();
    const words = ["Zürich", "Ζεύς", "東京", "東西", "😀", "éa"];
    for (const [number, word] of words.entries()) await container.items.create({ id: String(number), pk: word, word });
    assert.deepEqual((await allPages(container, "SELECT VALUE c.word FROM c ORDER BY c.word", 1)).sort(), words.toSorted());
    const pages = await resumedPages(container, "SELECT VALUE c.word FROM c", { maxItemCount: 1 });
    assert.deepEqual(pages.flat().sort(), words.toSorted());
  });

  it("distinct rows over several partitions are complete in pages", async () => {
    const found = await allPages(await partitionedContainer(60), "SELECT DISTINCT VALUE c.pk FROM c", 3);
    assert.deepEqual(found.sort(), numbers(17).map((number) => `key-${number}`).sort());
  });

  it("a window over several partitions is complete in pages", async () => {
    const text = "SELECT VALUE c.number FROM c ORDER BY c.number OFFSET 20 LIMIT 25";
    assert.deepEqual(await allPages(await partitionedContainer(60), text, 4), numbers(25, 20));
  });

  it("groups over several partitions are complete in pages", async () => {
    const text = "SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk";
    const found = await allPages(await partitionedContainer(34), text, 3);
    assert.deepEqual(
      found.map(({ pk, n }) => `${pk} ${n}`).sort(),
      numbers(17).map((number) => `key-${number} 2`).sort(),
    );
  });
});
