// Compares the results of generated queries with those of a second, independent engine: the npm package @zeit/cosmosdb-query,
// run in this process over the same documents. QUERY_SEED chooses the documents and queries.
//
//     cd <folder with node_modules> && QUERY_SEED=1 COSMOS_CONNECTION_STRING=... node --test <this file>

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { before, it } from "node:test";

import { FOUR_PARTITIONS, topic } from "../javascript/sdk.mjs";
import { KINDS, makeDocuments, QueryGenerator, randomFrom } from "./generator.mjs";

const { default: secondEngine } = createRequire(join(process.cwd(), "package.json"))("@zeit/cosmosdb-query");

const SEED = Number(process.env.QUERY_SEED ?? 1);
const DOCUMENTS = 120;
const QUERIES = 300;
const AT_ONCE = 8;
const SHOWN_ROWS = 5;

/** Equal values have equal texts, because the names of an object are sorted. */
function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
  );
}

function comparable(rows, ordered) {
  const texts = rows.map(canonical);
  return ordered ? texts : texts.sort();
}

/** The first rows that only one of the two results has. */
function differences(endpoint, second) {
  const missing = second.filter((row) => !endpoint.includes(row)).slice(0, SHOWN_ROWS);
  const extra = endpoint.filter((row) => !second.includes(row)).slice(0, SHOWN_ROWS);
  const counts = `${endpoint.length} rows of the endpoint, ${second.length} of the second engine`;
  return `${counts}\n    only the endpoint: ${extra.join("  ")}\n    only the second engine: ${missing.join("  ")}`;
}

topic("generated queries", ({ newContainer }) => {
  const random = randomFrom(SEED);
  const documents = makeDocuments(random, DOCUMENTS);
  const generator = new QueryGenerator(random, DOCUMENTS);
  let container;

  before(async () => {
    container = await newContainer("/pk", { throughput: FOUR_PARTITIONS });
    for (const document of documents) await container.items.create({ ...document });
  });

  /** What differs in the results of a query, or nothing. */
  async function difference({ number, text, parameters = [], ordered = false }) {
    const query = `seed ${SEED}, query ${number}: ${text}${parameters.length ? ` ${JSON.stringify(parameters)}` : ""}`;
    try {
      const { resources } = await container.items.query({ query: text, parameters }).fetchAll();
      const { result } = secondEngine(text).exec(documents, { parameters });
      const [endpoint, second] = [resources, result].map((rows) => comparable(rows, ordered));
      const same = endpoint.length === second.length && endpoint.every((row, index) => row === second[index]);
      return same ? [] : [`${query}\n    ${differences(endpoint, second)}`];
    } catch (error) {
      return [`${query}\n    ${error.message}`];
    }
  }

  for (const [offset, kind] of KINDS.entries()) {
    const numbers = Array.from({ length: QUERIES / KINDS.length }, (_, index) => index * KINDS.length + offset);
    const queries = numbers.map((number) => ({ number, ...generator[kind]() }));
    it(`${queries.length} queries of the kind ${kind} have the results of the second engine`, async () => {
      const found = [];
      for (let start = 0; start < queries.length; start += AT_ONCE) {
        found.push(...(await Promise.all(queries.slice(start, start + AT_ONCE).map(difference))).flat());
      }
      assert.equal(found.length, 0, `${found.length} queries differ:\n${found.join("\n")}`);
    });
  }
})();
