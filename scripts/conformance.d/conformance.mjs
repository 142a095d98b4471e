// Tests that an endpoint behaves as the JavaScript SDK for Azure Cosmos DB expects of the service.
//
// Reads the connection string of the endpoint from COSMOS_CONNECTION_STRING. Every test creates its own database or container
// under a random name, so that tests are independent. Nothing is specific to the embedded endpoint. The SDK is loaded from the
// working directory, because it is installed with the build output and not beside this file.
//
//     cd <folder with node_modules> && COSMOS_CONNECTION_STRING=... node --test <this file>

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(join(process.cwd(), "package.json"));
const { createDefaultHttpClient } = require("@azure/core-rest-pipeline");
const { ChangeFeedMode, ChangeFeedStartFrom, CosmosClient } = require("@azure/cosmos");

const SYSTEM_PROPERTIES = ["_rid", "_self", "_etag", "_attachments", "_ts"];
const PAGE_BYTES = 4 * 1024 * 1024;
// An expired document may remain visible this long, because `_ts` is in whole seconds and polling takes time.
const EXPIRY_LAG_SECONDS = 1.5;
const NO_KEY = {};

const [client, responses] = connect();
const { database } = await client.databases.create({ id: randomName("conformance-js") });
after(async () => {
  await database.delete();
  client.dispose();
});

/** A client, and all responses that it received, in order. */
function connect() {
  const plain = createDefaultHttpClient();
  const responses = [];
  const httpClient = {
    async sendRequest(request) {
      const response = await plain.sendRequest(request);
      responses.push({
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        charge: Number(response.headers.get("x-ms-request-charge") ?? 0),
        bytes: Buffer.byteLength(response.bodyAsText ?? ""),
      });
      return response;
    },
  };
  return [new CosmosClient({ connectionString: process.env.COSMOS_CONNECTION_STRING, httpClient }), responses];
}

function randomName(prefix) {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

async function newContainer(path = "/pk", options = {}) {
  const partitionKey = { paths: [path], kind: "Hash", version: 2 };
  const { container } = await database.containers.create({ id: randomName("container"), partitionKey, ...options });
  return container;
}

async function filledContainer(count, keys = 10) {
  const container = await newContainer();
  for (let number = 0; number < count; number++) {
    await container.items.create({ id: itemName(number), pk: `key-${number % keys}`, number });
  }
  return container;
}

function itemName(number) {
  return `item-${String(number).padStart(4, "0")}`;
}

function itemNames(count) {
  return Array.from({ length: count }, (_, number) => itemName(number));
}

/** A document without its system properties. */
function body(item) {
  const entries = Object.entries(item).filter(([name]) => ![...SYSTEM_PROPERTIES, "_lsn"].includes(name));
  return Object.fromEntries(entries);
}

function ids(items) {
  return items.map((item) => item.id).sort();
}

/** Awaits a call that must fail with this status, and returns the error. */
async function assertRejected(status, promise) {
  const { error } = await promise.then(
    () => ({}),
    (error) => ({ error }),
  );
  assert.ok(error, `succeeded, but should fail with ${status}`);
  assert.equal(error.code, status, error.message);
  return error;
}

async function query(container, text, parameters = {}, options = {}) {
  const named = Object.entries(parameters).map(([name, value]) => ({ name, value }));
  const { resources } = await container.items.query({ query: text, parameters: named }, options).fetchAll();
  return resources;
}

async function queryPages(container, options) {
  const pages = [];
  const iterator = container.items.query("SELECT * FROM c", options);
  while (iterator.hasMoreResults()) {
    const { resources } = await iterator.fetchNext();
    if (resources?.length) pages.push(resources);
  }
  return pages;
}

/** The pages of a change feed up to its current end, and the continuation from there. */
async function changePages(container, changeFeedStartFrom, options = {}) {
  const iterator = container.items.getChangeFeedIterator({ changeFeedStartFrom, ...options });
  const pages = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { pages, continuation: page.continuationToken };
    assert.equal(page.statusCode, 200);
    pages.push(page.result);
  }
}

async function changed(container, changeFeedStartFrom, options) {
  const { pages } = await changePages(container, changeFeedStartFrom, options);
  return pages.flat();
}

const { Beginning, Continuation, Now, Time } = ChangeFeedStartFrom;

describe("databases", () => {
  async function newDatabase(test) {
    const { database } = await client.databases.create({ id: randomName("database") });
    test.after(() => database.delete().catch(() => {}));
    return database;
  }

  it("a created database can be read and listed", async (test) => {
    const database = await newDatabase(test);
    assert.equal((await database.read()).resource.id, database.id);
    const { resources } = await client.databases.readAll().fetchAll();
    assert.ok(ids(resources).includes(database.id));
  });

  it("a second create is rejected with 409", async (test) => {
    const { id } = await newDatabase(test);
    await assertRejected(409, client.databases.create({ id }));
  });

  it("create if not exists returns the existing database", async (test) => {
    const database = await newDatabase(test);
    const { resource } = await client.databases.createIfNotExists({ id: database.id });
    assert.equal(resource._rid, (await database.read()).resource._rid);
  });

  it("a missing database returns 404", async () => {
    const missing = client.database(randomName("missing"));
    await assertRejected(404, missing.read());
    await assertRejected(404, missing.delete());
  });

  it("deleting a database deletes its containers", async (test) => {
    const database = await newDatabase(test);
    const { container } = await database.containers.create({ id: "items", partitionKey: "/pk" });
    await container.items.create({ id: "1", pk: "a" });
    await database.delete();
    assert.ok(!ids((await client.databases.readAll().fetchAll()).resources).includes(database.id));
    await assertRejected(404, database.read());
    await client.databases.create({ id: database.id });
    assert.deepEqual((await database.containers.readAll().fetchAll()).resources, []);
  });
});

describe("containers", () => {
  it("a created container can be read and listed", async () => {
    const container = await newContainer("/deep/key", { defaultTtl: 3600 });
    const { resource } = await container.read();
    assert.equal(resource.id, container.id);
    assert.deepEqual(resource.partitionKey.paths, ["/deep/key"]);
    assert.equal(resource.defaultTtl, 3600);
    assert.ok(ids((await database.containers.readAll().fetchAll()).resources).includes(container.id));
  });

  it("a second create is rejected with 409", async () => {
    const { id } = await newContainer();
    await assertRejected(409, database.containers.create({ id, partitionKey: "/pk" }));
  });

  it("a missing container returns 404", async () => {
    const missing = database.container(randomName("missing"));
    await assertRejected(404, missing.read());
    await assertRejected(404, missing.delete());
    await assertRejected(404, missing.items.create({ id: "1", pk: "a" }));
  });

  it("a container created again under the same name is empty", async () => {
    const container = await filledContainer(5);
    await container.delete();
    await assertRejected(404, container.read());
    const { container: recreated } = await database.containers.create({ id: container.id, partitionKey: "/pk" });
    assert.deepEqual(await query(recreated, "SELECT * FROM c"), []);
    assert.deepEqual(await changed(recreated, Beginning()), []);
  });
});

describe("items", () => {
  it("a created item is read back with its system properties", async () => {
    const container = await newContainer();
    const item = { id: "1", pk: "a", name: "Davidson" };
    const created = await container.items.create({ ...item });
    assert.equal(created.statusCode, 201);
    for (const name of SYSTEM_PROPERTIES) assert.ok(name in created.resource, name);
    assert.ok(Math.abs(created.resource._ts - Date.now() / 1000) < 60);
    const read = await container.item("1", "a").read();
    assert.equal(read.statusCode, 200);
    assert.deepEqual(body(read.resource), item);
    assert.deepEqual(read.resource, created.resource);
  });

  it("a second create returns 409 and changes nothing", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await assertRejected(409, container.items.create({ id: "1", pk: "a", number: 2 }));
    assert.equal((await container.item("1", "a").read()).resource.number, 1);
  });

  it("upsert returns 201 for a create and 200 for a replace", async () => {
    const container = await newContainer();
    const first = await container.items.upsert({ id: "1", pk: "a", number: 1 });
    const second = await container.items.upsert({ id: "1", pk: "a", other: 2 });
    assert.deepEqual([first.statusCode, second.statusCode], [201, 200]);
    assert.notEqual(first.etag, second.etag);
    assert.equal(first.resource._rid, second.resource._rid);
    assert.deepEqual(body((await container.item("1", "a").read()).resource), { id: "1", pk: "a", other: 2 });
  });

  it("replace overwrites the whole document", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    const replaced = await container.item("1", "a").replace({ id: "1", pk: "a", other: 2 });
    assert.equal(replaced.statusCode, 200);
    assert.deepEqual(body((await container.item("1", "a").read()).resource), { id: "1", pk: "a", other: 2 });
  });

  it("a deleted item returns 404", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a" });
    assert.equal((await container.item("1", "a").delete()).statusCode, 204);
    const read = await container.item("1", "a").read();
    assert.deepEqual([read.statusCode, read.resource], [404, undefined]);
  });

  it("a missing item cannot be read, replaced or deleted", async () => {
    const container = await newContainer();
    assert.equal((await container.item("1", "a").read()).statusCode, 404);
    await assertRejected(404, container.item("1", "a").replace({ id: "1", pk: "a" }));
    await assertRejected(404, container.item("1", "a").delete());
  });

  it("the same id in two partitions is two items", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.items.create({ id: "1", pk: "b", number: 2 });
    await container.item("1", "a").delete();
    assert.equal((await container.item("1", "b").read()).resource.number, 2);
  });

  it("values of every kind are returned unchanged", async () => {
    const container = await newContainer();
    const item = {
      id: "1",
      pk: "a",
      unicode: 'Zürich, Ελλάδα, 東京, \u{1f600}, e\u0301, \u2028, "quoted" \\ / \b\f\n\r\t',
      empty: { text: "", object: {}, array: [], null: null },
      nested: { a: { b: [{ c: [[1, [2]], { d: null }] }] } },
      numbers: [0, -1, 1.5, 0.1, -273.15, 1e-7, Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER],
      booleans: [true, false],
      times: ["2020-06-23T15:33:27.8120000Z", "2020-06-23T17:33:27+02:00", "2020-06-23"],
      names: { "with space": 1, "dot.ted": 2, $dollar: 3, "[0]": 4, ключ: 5, 'a"b': 6 },
      long: "x".repeat(100_000),
    };
    await container.items.create({ ...item });
    assert.deepEqual(body((await container.item("1", "a").read()).resource), item);
    assert.deepEqual((await query(container, "SELECT * FROM c")).map(body), [item]);
    assert.deepEqual((await changed(container, Beginning())).map(body), [item]);
  });

  it("ids may contain any letters", async () => {
    const container = await newContainer();
    for (const id of ["naïve", "東京", "\u{1f600}", "two words", "a+b", "a&b=c", "a:b@c", "(a)", "x".repeat(255)]) {
      await container.items.create({ id, pk: id });
      assert.equal((await container.item(id, id).read()).resource?.id, id);
    }
  });
});

describe("preconditions", () => {
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

describe("batches", () => {
  const create = (id, more) => ({ operationType: "Create", resourceBody: { id, pk: "a", ...more } });
  const upsert = (id, more) => ({ operationType: "Upsert", resourceBody: { id, pk: "a", ...more } });
  const replace = (id, more, options) => {
    return { operationType: "Replace", id, resourceBody: { id, pk: "a", ...more }, ...options };
  };
  const statuses = (response) => response.result.map((result) => result.statusCode);

  it("all operations of a batch are applied", async () => {
    const container = await newContainer();
    for (const id of ["replaced", "deleted", "read"]) await container.items.create({ id, pk: "a", number: 1 });
    const response = await container.items.batch(
      [
        create("created"),
        upsert("upserted"),
        replace("replaced", { number: 2 }),
        { operationType: "Read", id: "read" },
        { operationType: "Delete", id: "deleted" },
      ],
      "a",
    );
    assert.equal(response.code, 200);
    assert.deepEqual(statuses(response), [201, 201, 200, 200, 204]);
    assert.equal(response.result[3].resourceBody.number, 1);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), ["created", "read", "replaced", "upserted"]);
    assert.equal((await container.item("replaced", "a").read()).resource.number, 2);
  });

  it("a batch with one failing operation changes nothing", async () => {
    const container = await newContainer();
    await container.items.create({ id: "existing", pk: "a", number: 1 });
    const response = await container.items.batch([create("before"), create("existing"), upsert("after")], "a");
    assert.equal(response.code, 207);
    assert.deepEqual(statuses(response), [424, 409, 424]);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), ["existing"]);
    assert.equal((await container.item("existing", "a").read()).resource.number, 1);
  });

  it("a stale etag fails the batch with 412", async () => {
    const container = await newContainer();
    const { etag: ifMatch } = await container.items.create({ id: "1", pk: "a" });
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    const response = await container.items.batch([create("2"), replace("1", { number: 3 }, { ifMatch })], "a");
    assert.deepEqual(statuses(response), [424, 412]);
    assert.equal((await container.item("2", "a").read()).statusCode, 404);
  });

  it("the items of one batch share a log sequence number", async () => {
    const container = await newContainer();
    await container.items.create({ id: "before", pk: "a" });
    const batch = Array.from({ length: 10 }, (_, number) => `batch-${number}`);
    await container.items.batch(
      batch.map((id) => create(id)),
      "a",
    );
    await container.items.create({ id: "after", pk: "a" });
    const changes = await changed(container, Beginning("a"));
    const sequence = Object.fromEntries(changes.map((item) => [item.id, item._lsn]));
    assert.equal(new Set(batch.map((id) => sequence[id])).size, 1);
    assert.ok(sequence.before < sequence["batch-0"] && sequence["batch-0"] < sequence.after);
  });
});

describe("bulk", () => {
  const operations = (count, operationType, more) =>
    Array.from({ length: count }, (_, number) => ({
      operationType,
      partitionKey: `key-${number % 37}`,
      resourceBody: { id: itemName(number), pk: `key-${number % 37}`, ...more },
    }));

  it("five hundred operations across partitions are all applied", async () => {
    const container = await newContainer();
    for (const [type, status] of [["Create", 201], ["Upsert", 200]]) {
      const results = await container.items.executeBulkOperations(operations(500, type, { type }));
      assert.deepEqual(new Set(results.map((result) => result.response?.statusCode)), new Set([status]));
      assert.ok(results.every((result) => result.response.requestCharge > 0));
    }
    const found = await query(container, "SELECT c.id, c.type FROM c");
    assert.deepEqual(ids(found), itemNames(500));
    assert.ok(found.every((item) => item.type === "Upsert"));
    const changes = await changed(container, Beginning());
    assert.deepEqual(ids(changes), itemNames(500));
    assert.ok(changes.every((item) => item.type === "Upsert"));
  });

  it("a failing operation does not stop the others", async () => {
    const container = await newContainer();
    await container.items.create({ id: itemName(7), pk: "key-7", number: 7 });
    const results = await container.items.executeBulkOperations(operations(50, "Create"));
    const statuses = results.map((result) => result.response?.statusCode ?? result.error?.code);
    assert.deepEqual(
      statuses,
      Array.from({ length: 50 }, (_, number) => (number === 7 ? 409 : 201)),
    );
    assert.equal((await container.item(itemName(7), "key-7").read()).resource.number, 7);
  });

  it("operations of all kinds can be combined", async () => {
    const container = await filledContainer(3, 3);
    const written = (number) => {
      const pk = `key-${number}`;
      return { partitionKey: pk, resourceBody: { id: itemName(number), pk } };
    };
    const results = await container.items.bulk([
      { operationType: "Read", id: itemName(0), partitionKey: "key-0" },
      { operationType: "Replace", ...written(1), id: itemName(1) },
      { operationType: "Delete", id: itemName(2), partitionKey: "key-2" },
      { operationType: "Delete", id: "missing", partitionKey: "key-2" },
      { operationType: "Create", ...written(9) },
    ]);
    assert.deepEqual(
      results.map((result) => result.statusCode),
      [200, 200, 204, 404, 201],
    );
    assert.equal(results[0].resourceBody.number, 0);
    assert.deepEqual(ids(await query(container, "SELECT * FROM c")), [itemName(0), itemName(1), itemName(9)]);
    assert.deepEqual(ids(await changed(container, Beginning())), [itemName(0), itemName(1), itemName(9)]);
  });

  it("a container defined without a partition key version accepts bulk writes", async () => {
    const { container } = await database.containers.create({ id: randomName("container"), partitionKey: "/pk" });
    const results = await container.items.executeBulkOperations(operations(60, "Create"));
    assert.deepEqual(new Set(results.map((result) => result.response?.statusCode)), new Set([201]));
    assert.equal((await container.item(itemName(40), "key-3").read()).resource?.id, itemName(40));
  });

  it("one of twenty concurrent creates of an item succeeds", async () => {
    const container = await newContainer();
    const tries = Array.from({ length: 20 }, (_, number) => container.items.create({ id: "1", pk: "a", number }));
    const results = await Promise.allSettled(tries);
    assert.equal(results.filter(({ reason }) => reason?.code === 409).length, 19);
  });
});

describe("queries", () => {
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

describe("partition keys", () => {
  const KEYS = {
    text: "1",
    empty: "",
    unicode: '東京 "x"',
    number: 1,
    fraction: -1.5,
    zero: 0,
    true: true,
    false: false,
    null: null,
  };

  it("partition keys of different kinds are distinct", async () => {
    const container = await newContainer();
    for (const [kind, pk] of Object.entries(KEYS)) await container.items.create({ id: "same", pk, kind });
    await container.items.create({ id: "same", kind: "none" });
    for (const [kind, key] of Object.entries({ ...KEYS, none: NO_KEY })) {
      assert.equal((await container.item("same", key).read()).resource?.kind, kind);
      const found = await query(container, "SELECT VALUE c.kind FROM c", {}, { partitionKey: key });
      assert.deepEqual(found, [kind], `query of ${kind}`);
      const changes = await changed(container, Beginning(key));
      assert.deepEqual(
        changes.map((item) => item.kind),
        [kind],
        `change feed of ${kind}`,
      );
    }
  });

  it("a document without a partition key can be replaced and deleted", async () => {
    const container = await newContainer("/deep/key");
    await container.items.create({ id: "1", deep: {} });
    await container.items.upsert({ id: "1", number: 2 });
    assert.deepEqual(body((await container.item("1").read()).resource), { id: "1", number: 2 });
    assert.equal((await container.item("1", null).read()).statusCode, 404);
    await container.item("1", NO_KEY).delete();
    assert.deepEqual(await query(container, "SELECT * FROM c"), []);
  });
});

describe("hierarchical keys", () => {
  async function tenants() {
    const partitionKey = { paths: ["/tenant", "/user"], kind: "MultiHash", version: 2 };
    const { container } = await database.containers.create({ id: randomName("container"), partitionKey });
    for (const tenant of ["acme", "umbrella", "initech"]) {
      for (let user = 0; user < 4; user++) {
        for (const id of ["first", "second"]) await container.items.create({ id, tenant, user: `user-${user}` });
      }
    }
    return container;
  }
  const owners = (items) => items.map(({ tenant, user }) => `${tenant} ${user}`);
  const tenantsOf = (items) => items.map(({ tenant }) => tenant);

  it("the definition is stored", async () => {
    const { kind, paths } = (await (await tenants()).read()).resource.partitionKey;
    assert.deepEqual([kind, paths], ["MultiHash", ["/tenant", "/user"]]);
  });

  it("a point read needs the whole key", async () => {
    const container = await tenants();
    const { resource } = await container.item("first", ["acme", "user-2"]).read();
    assert.deepEqual(owners([resource]), ["acme user-2"]);
    assert.equal((await container.item("first", ["acme", "user-9"]).read()).statusCode, 404);
    await container.item("first", ["acme", "user-2"]).delete();
    assert.equal((await container.item("first", ["acme", "user-2"]).read()).statusCode, 404);
    assert.equal((await container.item("first", ["umbrella", "user-2"]).read()).statusCode, 200);
  });

  it("a query of a key or a prefix returns the documents below it", async () => {
    const container = await tenants();
    // The SDK has no option for a prefix; the documentation of the service puts it into the query.
    const prefix = await query(container, "SELECT * FROM c WHERE c.tenant = @tenant", { "@tenant": "acme" });
    assert.deepEqual(tenantsOf(prefix), Array(8).fill("acme"));
    const whole = await query(container, "SELECT * FROM c", {}, { partitionKey: ["acme", "user-1"] });
    assert.deepEqual(owners(whole), Array(2).fill("acme user-1"));
  });

  it("the change feed of a key or a prefix returns the changes below it", async () => {
    const container = await tenants();
    const whole = await changed(container, Beginning(["initech", "user-3"]));
    assert.deepEqual(owners(whole), Array(2).fill("initech user-3"));
    const prefix = await changed(container, Beginning(["initech"]));
    assert.deepEqual(tenantsOf(prefix), Array(8).fill("initech"));
  });
});

describe("change feed", () => {
  const ascending = (numbers) => numbers.every((number, index) => index === 0 || numbers[index - 1] < number);

  it("from the beginning every document is returned once in its latest version", async () => {
    const container = await filledContainer(20);
    for (let number = 100; number < 103; number++) {
      await container.items.upsert({ id: itemName(4), pk: "key-4", number });
    }
    await container.item(itemName(5), "key-5").delete();
    const changes = await changed(container, Beginning());
    assert.deepEqual(
      ids(changes),
      itemNames(20).filter((id) => id !== itemName(5)),
    );
    const { resource } = await container.item(itemName(4), "key-4").read();
    const { _lsn, ...change } = changes.find((item) => item.id === itemName(4));
    assert.equal(change.number, 102);
    assert.deepEqual(change, resource);
  });

  it("from now only later changes are returned", async () => {
    const container = await filledContainer(10);
    const { pages, continuation } = await changePages(container, Now());
    assert.deepEqual(pages, []);
    await container.items.create({ id: "later", pk: "key-1" });
    await container.items.upsert({ id: itemName(2), pk: "key-2", number: -1 });
    assert.deepEqual(ids(await changed(container, Continuation(continuation))), [itemName(2), "later"]);
  });

  it("a continuation returns the changes since then", async () => {
    const container = await filledContainer(10);
    const { continuation } = await changePages(container, Beginning());
    assert.deepEqual(await changed(container, Continuation(continuation)), []);
    for (let number = 10; number < 15; number++) {
      await container.items.create({ id: itemName(number), pk: `key-${number}` });
    }
    const next = await changePages(container, Continuation(continuation));
    assert.deepEqual(ids(next.pages.flat()), itemNames(15).slice(10));
    assert.deepEqual(await changed(container, Continuation(next.continuation)), []);
  });

  it("reading can stop after any page and resume", async () => {
    const container = await filledContainer(30);
    const options = { maxItemCount: 4, changeFeedStartFrom: Beginning() };
    const { result, continuationToken } = await container.items.getChangeFeedIterator(options).readNext();
    const rest = await changed(container, Continuation(continuationToken), { maxItemCount: 4 });
    assert.deepEqual(ids([...result, ...rest]), itemNames(30));
  });

  it("from a time only changes since then are returned", async () => {
    const container = await filledContainer(5);
    await sleep(2100);
    const moment = new Date();
    await sleep(1100);
    await container.items.create({ id: "later", pk: "key-1" });
    assert.deepEqual(ids(await changed(container, Time(moment))), ["later"]);
  });

  it("a page has at most a hundred items by default", async () => {
    const container = await filledContainer(250, 1);
    const { pages } = await changePages(container, Beginning());
    assert.ok(Math.max(...pages.map((page) => page.length)) <= 100);
    assert.deepEqual(ids(pages.flat()), itemNames(250));
  });

  it("a page has at most the requested number of items", async () => {
    const container = await filledContainer(50);
    const { pages } = await changePages(container, Beginning(), { maxItemCount: 7 });
    assert.ok(Math.max(...pages.map((page) => page.length)) <= 7);
    assert.deepEqual(ids(pages.flat()), itemNames(50));
  });

  it("feed ranges divide the container", async () => {
    const container = await filledContainer(60);
    const ranges = await container.getFeedRanges();
    const bounds = ranges.flatMap(({ minInclusive, maxExclusive }) => [minInclusive, maxExclusive]);
    assert.deepEqual([bounds.at(0), bounds.at(-1)], ["", "FF"]);
    assert.equal(new Set(bounds).size, ranges.length + 1);
    const changes = [];
    for (const range of ranges) changes.push(...(await changed(container, Beginning(range))));
    assert.deepEqual(ids(changes), itemNames(60));
  });

  it("log sequence numbers increase within a feed range", async () => {
    const container = await filledContainer(60);
    await container.items.upsert({ id: itemName(0), pk: "key-0", number: 100 });
    for (const range of await container.getFeedRanges()) {
      const changes = await changed(container, Beginning(range), { maxItemCount: 5 });
      const sequence = changes.map((item) => item._lsn);
      assert.ok(sequence.every(Number.isSafeInteger) && ascending(sequence), String(sequence));
    }
  });

  it("changes of one key are returned in the order of the writes", async () => {
    const container = await filledContainer(30, 3);
    await container.items.upsert({ id: itemName(1), pk: "key-1", number: 100 });
    const changes = await changed(container, Beginning("key-1"));
    assert.deepEqual(
      changes.map((item) => item.number),
      [4, 7, 10, 13, 16, 19, 22, 25, 28, 100],
    );
    assert.ok(ascending(changes.map((item) => item._lsn)));
  });

  it("a point read has no log sequence number", async () => {
    const container = await filledContainer(1);
    assert.ok(!("_lsn" in (await container.item(itemName(0), "key-0").read()).resource));
  });

  it("the older iterator returns the same changes", async () => {
    const container = await filledContainer(10, 1);
    const iterator = container.items.changeFeed("key-0", { startFromBeginning: true, maxItemCount: 4 });
    const changes = [];
    while (iterator.hasMoreResults) {
      const { result } = await iterator.fetchNext();
      if (!result?.length) break;
      changes.push(...result);
    }
    assert.deepEqual(ids(changes), itemNames(10));
  });
});

describe("time to live", () => {
  /** Whether the item exists. A read, a query and a count must agree. */
  async function exists(container, id) {
    const { statusCode } = await container.item(id, "a").read();
    const condition = "FROM c WHERE c.id = @id";
    const queried = await query(container, `SELECT * ${condition}`, { "@id": id });
    const counted = await query(container, `SELECT VALUE COUNT(1) ${condition}`, { "@id": id }, { partitionKey: "a" });
    if (statusCode === 404) assert.deepEqual([queried, counted], [[], [0]], "a query sees what a read does not");
    return statusCode === 200;
  }

  async function assertExpires(container, id, seconds, since) {
    const age = () => (performance.now() - since) / 1000;
    while (await exists(container, id)) {
      assert.ok(age() < seconds + EXPIRY_LAG_SECONDS, `${id} expired too late`);
      await sleep(100);
    }
    assert.ok(age() > seconds - 1.1, `${id} expired too early`);
  }

  it("the default of the container applies unless the document overrides it", async () => {
    const container = await newContainer("/pk", { defaultTtl: 2 });
    const since = performance.now();
    await container.items.create({ id: "by default", pk: "a" });
    await container.items.create({ id: "longer", pk: "a", ttl: 4 });
    await container.items.create({ id: "never", pk: "a", ttl: -1 });
    await assertExpires(container, "by default", 2, since);
    assert.ok(await exists(container, "longer"));
    await assertExpires(container, "longer", 4, since);
    assert.ok(await exists(container, "never"));
  });

  it("without a default only documents with a time to live expire", async () => {
    const container = await newContainer("/pk", { defaultTtl: -1 });
    const since = performance.now();
    await container.items.create({ id: "plain", pk: "a" });
    await container.items.create({ id: "short", pk: "a", ttl: 2 });
    await assertExpires(container, "short", 2, since);
    assert.ok(await exists(container, "plain"));
  });

  it("a time to live has no effect where it is not enabled", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", ttl: 1 });
    await sleep(2500);
    assert.ok(await exists(container, "1"));
  });

  it("a write restarts the time to live", async () => {
    const container = await newContainer("/pk", { defaultTtl: 3 });
    await container.items.create({ id: "1", pk: "a" });
    await sleep(2000);
    const since = performance.now();
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    await sleep(1300);
    assert.ok(await exists(container, "1"));
    await assertExpires(container, "1", 3, since);
  });

  it("an expired document is not in the change feed and can be created again", async () => {
    const container = await newContainer("/pk", { defaultTtl: -1 });
    const since = performance.now();
    await container.items.create({ id: "1", pk: "a", ttl: 1 });
    assert.deepEqual(ids(await changed(container, Beginning())), ["1"]);
    await assertExpires(container, "1", 1, since);
    assert.deepEqual(await changed(container, Beginning()), []);
    await assertRejected(404, container.item("1", "a").replace({ id: "1", pk: "a" }));
    await assertRejected(404, container.item("1", "a").delete());
    const { statusCode } = await container.items.create({ id: "1", pk: "a", number: 2 });
    assert.equal(statusCode, 201);
    assert.equal((await container.item("1", "a").read()).resource.number, 2);
  });
});

describe("limits", () => {
  it("a page has at most a thousand documents", async () => {
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

  it("a page is at most four megabytes", async () => {
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

describe("errors", () => {
  it("a missing item returns 404 without a sub-status", async () => {
    const container = await newContainer();
    const { statusCode, substatus } = await container.item("1", "a").read();
    assert.deepEqual([statusCode, substatus ?? 0], [404, 0]);
  });

  it("an item of a deleted container returns 404 with sub-status 1003", async () => {
    const container = await filledContainer(1);
    const [other] = connect();
    await other.database(database.id).container(container.id).delete();
    other.dispose();
    const { statusCode, substatus } = await container.item(itemName(0), "key-0").read();
    assert.deepEqual([statusCode, substatus], [404, 1003]);
  });

  it("a container of a missing database returns 404 with sub-status 1003", async () => {
    const error = await assertRejected(404, client.database(randomName("missing")).container("items").read());
    assert.equal(error.substatus, 1003);
  });

  it("an invalid query returns 400", async () => {
    const container = await newContainer();
    await assertRejected(400, query(container, "SELEC * FRM c"));
    await assertRejected(400, query(container, "SELECT * FROM c WHERE", {}, { partitionKey: "a" }));
  });

  it("an item without an id returns 400", async () => {
    const container = await newContainer();
    await assertRejected(400, container.items.create({ pk: "a" }, { disableAutomaticIdGeneration: true }));
    await assertRejected(400, container.items.upsert({ pk: "a" }, { disableAutomaticIdGeneration: true }));
  });

  it("every response has its request charge", async () => {
    const [client, responses] = connect();
    const { database } = await client.databases.create({ id: randomName("database") });
    const { container } = await database.containers.create({ id: "items", partitionKey: "/pk" });
    await container.read();
    const { etag: condition } = await container.items.create({ id: "1", pk: "a" });
    await container.items.upsert({ id: "1", pk: "a" });
    await container.item("1", "a").replace({ id: "1", pk: "a" });
    await container.item("1", "a").read();
    await container.items.batch([{ operationType: "Create", resourceBody: { id: "2", pk: "a" } }], "a");
    await container.items.bulk([{ operationType: "Upsert", partitionKey: "b", resourceBody: { id: "3", pk: "b" } }]);
    await queryPages(container, { partitionKey: "a" });
    await changed(container, Beginning());
    await container.item("1", "a").delete();
    await container.item("1", "a").read();
    await assertRejected(409, container.items.create({ id: "2", pk: "a" }));
    const stale = { accessCondition: { type: "IfMatch", condition } };
    await assertRejected(412, container.item("2", "a").replace({ id: "2", pk: "a" }, stale));
    await database.delete();
    client.dispose();
    // Reading the account or the partition key ranges has no charge.
    const charged = responses.filter(({ path }) => path !== "/" && !/pkranges\/?$/.test(path));
    assert.ok(charged.length > 15);
    assert.deepEqual(
      charged.filter(({ charge }) => !(charge > 0)),
      [],
    );
  });
});

describe("all versions and deletes", () => {
  it("every version and every delete is returned in order", async () => {
    const container = await newContainer();
    const options = { changeFeedMode: ChangeFeedMode.AllVersionsAndDeletes };
    const { continuation } = await changePages(container, Now(), options);
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    await container.item("1", "a").replace({ id: "1", pk: "a", number: 3 });
    await container.item("1", "a").delete();
    const changes = await changed(container, Continuation(continuation), options);
    assert.deepEqual(
      changes.map(({ current, metadata }) => [metadata.operationType, current?.number]),
      [["create", 1], ["replace", 2], ["replace", 3], ["delete", undefined]],
    );
    assert.ok(changes.every(({ metadata }) => Number.isSafeInteger(metadata.lsn)));
  });

  it("the mode cannot start from the beginning", async () => {
    const container = await filledContainer(1);
    const options = { changeFeedMode: ChangeFeedMode.AllVersionsAndDeletes };
    await assertRejected(400, changed(container, Beginning(), options));
  });
});
