import assert from "node:assert/strict";
import { it } from "node:test";

import { ids, itemName, itemNames, query, queryPages, topic } from "./sdk.mjs";

export default topic("queries", ({ newContainer, filledContainer }) => {
  it("parameters accept values of every kind", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", text: "O'Hara \"x\" \\ 東京", number: 1.5, flag: true });
    await container.items.create({ id: "2", pk: "b", text: "other", number: 2, flag: null, tags: ["a", "b"] });
    for (const [condition, value, expected] of [
      ["c.text = @value", "O'Hara \"x\" \\ 東京", ["1"]],
      ["c.text = @value", "x' OR true", []],
      ["c.number >= @value", 1.75, ["2"]],
      ["c.number = @value", 1.5, ["1"]],
      ["c.flag = @value", true, ["1"]],
      ["c.flag = @value", null, ["2"]],
      ["ARRAY_CONTAINS(@value, c.id)", ["1", "2", "3"], ["1", "2"]],
      ["CONTAINS(c.text, @value)", "Hara", ["1"]],
      ["ARRAY_CONTAINS(c.tags, @value)", "b", ["2"]],
      ["IS_DEFINED(c.tags) AND c.id != @value", "1", ["2"]],
    ]) {
      const found = await query(container, `SELECT * FROM c WHERE ${condition}`, { "@value": value });
      assert.deepEqual(ids(found), expected, `${condition}, ${JSON.stringify(value)}`);
    }
  });

  it("a query of one partition returns only that partition", async () => {
    const container = await filledContainer(30, 3);
    const found = await query(container, "SELECT * FROM c", {}, { partitionKey: "key-1" });
    assert.deepEqual(
      found.map((item) => item.pk),
      Array(10).fill("key-1"),
    );
  });

  it("order by sorts across partitions", async () => {
    const container = await newContainer();
    for (let number = 0; number < 60; number++) {
      await container.items.create({ id: itemName(number), pk: `key-${number % 11}`, number: (number * 7) % 60 });
    }
    const ascending = Array.from({ length: 60 }, (_, number) => number);
    for (const [direction, expected] of [["ASC", ascending], ["DESC", ascending.toReversed()]]) {
      const text = `SELECT * FROM c ORDER BY c.number ${direction}`;
      const found = await query(container, text, {}, { maxItemCount: 7 });
      assert.deepEqual(
        found.map((item) => item.number),
        expected,
      );
    }
  });

  it("paging with continuations returns every document once", async () => {
    const container = await filledContainer(75);
    const found = [];
    let continuationToken;
    let pages = 0;
    do {
      const page = await container.items.query("SELECT * FROM c", { maxItemCount: 10, continuationToken }).fetchNext();
      assert.ok(page.resources.length <= 10);
      found.push(...page.resources);
      continuationToken = page.continuationToken;
      pages += 1;
    } while (continuationToken && pages < 100);
    assert.ok(pages >= 8);
    assert.deepEqual(ids(found), itemNames(75));
  });

  it("paging within one partition resumes from a continuation", async () => {
    const container = await filledContainer(25, 1);
    const options = { partitionKey: "key-0", maxItemCount: 10 };
    const { resources, continuationToken } = await container.items.query("SELECT * FROM c", options).fetchNext();
    const rest = await queryPages(container, { ...options, continuationToken });
    assert.deepEqual([resources.length, ...rest.map((page) => page.length)], [10, 10, 5]);
    assert.deepEqual(ids([...resources, ...rest.flat()]), itemNames(25));
  });

  it("aggregates cover every partition", async () => {
    const container = await filledContainer(50);
    const aggregates = {
      "COUNT(1)": 50,
      "SUM(c.number)": 1225,
      "MIN(c.number)": 0,
      "MAX(c.number)": 49,
      "AVG(c.number)": 24.5,
    };
    for (const [expression, expected] of Object.entries(aggregates)) {
      assert.deepEqual(await query(container, `SELECT VALUE ${expression} FROM c`), [expected], expression);
    }
    const count = "SELECT VALUE COUNT(1) FROM c WHERE c.number < @below";
    assert.deepEqual(await query(container, count, { "@below": 20 }), [20]);
    assert.deepEqual(await query(container, count, { "@below": 20 }, { partitionKey: "key-3" }), [2]);
  });

  it("offset and limit select a range of the sorted documents", async () => {
    const container = await filledContainer(40);
    const ordered = "SELECT VALUE c.number FROM c ORDER BY c.number";
    const window = Array.from({ length: 10 }, (_, number) => 15 + number);
    assert.deepEqual(await query(container, `${ordered} OFFSET 15 LIMIT 10`), window);
    assert.deepEqual(await query(container, `${ordered} OFFSET 99 LIMIT 10`), []);
  });

  it("projections return the selected values", async () => {
    const container = await filledContainer(6, 3);
    const keys = await query(container, "SELECT DISTINCT VALUE c.pk FROM c");
    assert.deepEqual(keys.sort(), ["key-0", "key-1", "key-2"]);
    assert.deepEqual(await query(container, "SELECT TOP 2 c.id, c.number AS n FROM c ORDER BY c.number DESC"), [
      { id: itemName(5), n: 5 },
      { id: itemName(4), n: 4 },
    ]);
  });
});
