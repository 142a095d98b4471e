// The checks of expressions.json and queries.json, which both languages share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, it } from "node:test";

import { assertRejected, FOUR_PARTITIONS, isOlder, query, SDK_VERSION, topic } from "./sdk.mjs";

const EXPRESSIONS = readTable("expressions.json");
const QUERIES = readTable("queries.json");
// The service refuses to plan a query that needs more features than the SDK lists.
const MISSING_FEATURES = isOlder(SDK_VERSION, "4.2.0") ? ["CountIf"] : [];
// What these versions list, and merge wrongly.
const WRONG_FEATURES = !isOlder(SDK_VERSION, "4.2.0") && isOlder(SDK_VERSION, "4.5.0") ? ["CountIf"] : [];

function readTable(name) {
  return JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8"));
}

const expressions = topic("expressions", ({ newContainer }) => {
  let container;
  before(async () => {
    container = await newContainer();
    await container.items.create(EXPRESSIONS.document);
  });

  for (const { name, values, undefined: withoutValue = [] } of EXPRESSIONS.checks) {
    it(name, async () => {
      const texts = [...values.map(([text]) => text), ...withoutValue];
      const fields = texts.map((text, index) => `"${index}": ${text}`).join(", ");
      const rows = await query(container, `SELECT VALUE {${fields}} FROM c`, {}, { partitionKey: "a" });
      assert.equal(rows.length, 1);
      const found = Object.fromEntries(Object.entries(rows[0]).map(([index, value]) => [texts[index], value]));
      assert.deepEqual(found, Object.fromEntries(values));
    });
  }
});

const queries = topic("query table", ({ newContainer }) => {
  let container;
  before(async () => {
    const composite = [
      { path: "/price", order: "descending" },
      { path: "/id", order: "ascending" },
    ];
    const indexingPolicy = { includedPaths: [{ path: "/*" }], compositeIndexes: [composite] };
    container = await newContainer("/pk", { indexingPolicy, throughput: FOUR_PARTITIONS });
    for (const document of QUERIES.documents) await container.items.create(document);
  });

  /** Equal values have equal keys, because the names of an object are sorted. */
  const sortKey = (value) =>
    JSON.stringify(value, (_, part) =>
      part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
    );
  const sorted = (rows) => rows.toSorted((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));

  for (const { name, query: text, parameters, rows, ordered, partitionKey, features = [] } of QUERIES.checks) {
    const missing = partitionKey ? [] : features.filter((feature) => MISSING_FEATURES.includes(feature));
    const wrong = partitionKey ? [] : features.filter((feature) => WRONG_FEATURES.includes(feature));
    const skip = wrong.length > 0 && `the JavaScript SDK merges ${wrong.join(", ")} wrongly`;
    it(name, { skip }, async () => {
      const rowsOf = () => query(container, text, parameters, partitionKey ? { partitionKey } : {});
      if (missing.length > 0) {
        const error = await assertRejected(400, rowsOf());
        const { message } = error.body ?? error;
        assert.ok(missing.some((feature) => message.includes(`Query contained ${feature}, which the calling client`)), message);
        return;
      }
      const found = await rowsOf();
      if (ordered) assert.deepEqual(found, rows);
      else assert.deepEqual(sorted(found), sorted(rows));
    });
  }
});

export default function defineTables() {
  expressions();
  queries();
}
