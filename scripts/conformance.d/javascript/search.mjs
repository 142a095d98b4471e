import assert from "node:assert/strict";
import { it } from "node:test";

import { FOUR_PARTITIONS, assertRejected, ids, query, since, topic } from "./sdk.mjs";

const TEXTS = {
  long: "a guide to swimming in cold lakes, wide rivers and warm seas",
  twice: "swim, swim in cold lakes",
  short: "swimming",
  other: "running",
};
const VECTORS = { long: [0, 1], twice: [-1, 0], short: [3, 4], other: [1, 0] };

// Full-text search, vector search, and hybrid search, which the SDK computes by the plan of the query.
export default topic("search", ({ newContainer }) => {
  async function library(definition = {}) {
    const container = await newContainer("/pk", definition, { offerThroughput: FOUR_PARTITIONS });
    for (const [id, text] of Object.entries(TEXTS)) await container.items.create({ id, pk: id, text, v: VECTORS[id] });
    await container.items.create({ id: "none", pk: "none" });
    return container;
  }

  const ranked = async (container, text, parameters = {}) =>
    (await query(container, text, parameters, { forceQueryPlan: true, allowUnboundedNonStreamingQueries: true })).map((item) => item.id);

  it("a filter finds words and phrases", async () => {
    const container = await library();
    for (const [condition, expected] of [
      ["FullTextContains(c.text, 'Swim')", ["long", "short", "twice"]],
      ["FullTextContains(c.text, 'cold lake')", ["long", "twice"]],
      ["FullTextContainsAll(c.text, 'swim', 'river')", ["long"]],
      ["FullTextContainsAny(c.text, 'run', 'river')", ["long", "other"]],
    ]) {
      assert.deepEqual(ids(await query(container, `SELECT c.id FROM c WHERE ${condition}`)), expected, condition);
    }
  });

  it("full-text search ranks across partitions", since("4.2.0", "does not know ORDER BY RANK"), async () => {
    const container = await library();
    const top = "SELECT TOP 3 c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim')";
    assert.deepEqual(await ranked(container, top), ["short", "twice", "long"]);
    const page = "SELECT c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim') OFFSET 1 LIMIT 1";
    assert.deepEqual(await ranked(container, page), ["twice"]);
  });

  it("hybrid search fuses texts and vectors", since("4.5.1", "sends no parameters with the texts of a ranked query"), async () => {
    const container = await library();
    const scores = "FullTextScore(c.text, 'swim'), VectorDistance(c.v, @vector)";
    const vector = { "@vector": [1, 0] };
    const plain = `SELECT TOP 2 c.id FROM c ORDER BY RANK RRF(${scores})`;
    assert.deepEqual(await ranked(container, plain, vector), ["short", "other"]);
    const weighted = `SELECT TOP 1 c.id FROM c ORDER BY RANK RRF(${scores}, [1, 10])`;
    assert.deepEqual(await ranked(container, weighted, vector), ["other"]);
  });

  it("the vector policy decides about the order", since("4.2.0", "does not offer NonStreamingOrderBy"), async () => {
    for (const [distanceFunction, expected] of [
      ["euclidean", ["other", "long", "twice", "short"]],
      ["dotproduct", ["short", "other", "long", "twice"]],
    ]) {
      const vector = { path: "/v", dataType: "float32", distanceFunction, dimensions: 2 };
      const container = await library({ vectorEmbeddingPolicy: { vectorEmbeddings: [vector] } });
      const text = "SELECT TOP 4 c.id FROM c WHERE IS_DEFINED(c.v) ORDER BY VectorDistance(c.v, [1, 0])";
      assert.deepEqual(await ranked(container, text), expected, distanceFunction);
    }
  });

  it("a score is allowed in ORDER BY RANK only", async () => {
    const container = await library();
    for (const text of [
      "SELECT FullTextScore(c.text, 'swim') FROM c",
      "SELECT TOP 1 c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim') DESC",
      "SELECT c.id FROM c ORDER BY LOWER(c.text)",
    ]) {
      await assertRejected(400, query(container, text));
    }
  });
});
