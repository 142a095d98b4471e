import assert from "node:assert/strict";
import { it } from "node:test";

import { since, topic } from "./sdk.mjs";

// Metrics of queries and of index use, and request charges of the published sizes.
export default topic("metrics", ({ newContainer, filledContainer }) => {
  async function firstPage(text, options) {
    const container = await filledContainer(10, 1);
    return container.items.query(text, { partitionKey: "key-0", ...options }).fetchNext();
  }

  it("query metrics count the documents", async () => {
    const { headers } = await firstPage("SELECT * FROM c WHERE c.number < 4", { populateQueryMetrics: true });
    const [metrics] = Object.values(headers["x-ms-documentdb-query-metrics"] ?? {});
    assert.ok(metrics, "no query metrics");
    assert.equal(metrics.outputDocumentCount, 4);
    assert.ok(metrics.retrievedDocumentCount >= 4);
  });

  it("index metrics name the used path", since("4.2.0", "has no index metrics"), async () => {
    const page = await firstPage("SELECT * FROM c WHERE c.number = 1", { populateIndexMetrics: true });
    assert.match(String(page.indexMetrics), /\/number\/\?/);
  });

  /** The published figures are for items of 1 KB and 100 KB; a charge may differ from them by 20%. */
  function assertCharge(expected, { requestCharge }) {
    const near = requestCharge >= 0.8 * expected && requestCharge <= 1.2 * expected;
    assert.ok(near, `${requestCharge} RU, expected about ${expected} RU`);
  }

  it("a point read of one kilobyte costs one request unit", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", filling: "x".repeat(800) });
    assertCharge(1, await container.item("1", "a").read());
  });

  it("a point read of a hundred kilobytes costs ten request units", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", filling: "x".repeat(100_000) });
    assertCharge(10, await container.item("1", "a").read());
  });

  it("a create of one kilobyte without an index costs about five request units", async () => {
    const container = await newContainer("/pk", { indexingPolicy: { indexingMode: "none", automatic: false } });
    assertCharge(5.3, await container.items.create({ id: "1", pk: "a", filling: "x".repeat(800) }));
  });
});
