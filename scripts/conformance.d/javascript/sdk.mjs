// What every check needs: a client of the installed SDK, names, and the differences between versions of the SDK.
//
// Reads the connection string of the endpoint from COSMOS_CONNECTION_STRING. The SDK is loaded from the working directory,
// because it is installed with the build output and not beside this file.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe } from "node:test";

const require = createRequire(join(process.cwd(), "package.json"));
export const sdk = require("@azure/cosmos");

export const SYSTEM_PROPERTIES = ["_rid", "_self", "_etag", "_attachments", "_ts"];
export const PAGE_BYTES = 4 * 1024 * 1024;
// Bodies of at most this size are recorded.
const SHORT_BYTES = 10_000;
// The address of the control interface, which only the embedded endpoint has.
const CONTROL_URL = process.env.COSMOS_CONTROL_URL;
// A container of this throughput has four physical partitions: one for each 10,000 RU/s.
export const FOUR_PARTITIONS = 40_000;
// The value of a missing partition key.
export const NO_KEY = {};

export const SDK_VERSION = installedVersion();

function installedVersion() {
  const folder = join(process.cwd(), "node_modules", "@azure", "cosmos");
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
}

export function isOlder(version, than) {
  const [left, right] = [version, than].map((text) => text.split(".").map(Number));
  const differs = left.findIndex((part, index) => part !== right[index]);
  return differs >= 0 && left[differs] < right[differs];
}

/** Options of a check that older versions of the SDK skip. `missing` says what they cannot do. */
export function since(version, missing) {
  return { skip: isOlder(SDK_VERSION, version) ? `@azure/cosmos before ${version} ${missing}` : false };
}

/** A client, and all responses that it receives, in order. */
export function connect(options = {}) {
  const responses = [];
  async function record(request, ...rest) {
    const next = rest.at(-1);
    const { method, path } = request;
    const keep = ({ code, headers, result }) => {
      const bytes = result ? Buffer.byteLength(JSON.stringify(result)) : 0;
      const charge = Number(headers?.["x-ms-request-charge"] ?? 0);
      const content = bytes <= SHORT_BYTES ? result : undefined;
      responses.push({ method, path, status: Number(code), headers: headers ?? {}, charge, bytes, content });
    };
    try {
      const response = await next(request);
      keep(response);
      return response;
    } catch (error) {
      keep(error);
      throw error;
    }
  }
  const fields = process.env.COSMOS_CONNECTION_STRING.split(";").filter((field) => field.includes("="));
  const settings = Object.fromEntries(fields.map((field) => field.split(/=(.*)/s)));
  const client = new sdk.CosmosClient({
    endpoint: settings.AccountEndpoint,
    key: settings.AccountKey,
    plugins: [{ on: "request", plugin: record }],
    // Older versions use an agent for https unless they get one.
    ...(isOlder(SDK_VERSION, "4.0.0") && { agent: new Agent() }),
    ...options,
  });
  return [client, responses];
}

/**
 * A topic of checks. It has its own client and database, so that topics can run at the same time. Returns a function that
 * defines the topic.
 */
export function topic(name, defineChecks, options = {}) {
  return () =>
    describe(name, options, () => {
      const [client, responses] = connect();
      const database = client.database(randomName("conformance-js"));
      before(() => client.databases.create({ id: database.id }));
      after(async () => {
        await database.delete();
        client.dispose?.();
      });

      async function newContainer(path = "/pk", definition = {}, options = {}) {
        const partitionKey = { paths: [path], kind: "Hash", version: 2 };
        const body = { id: randomName("container"), partitionKey, ...definition };
        return (await database.containers.create(body, options)).container;
      }

      async function filledContainer(count, keys = 10, definition = {}) {
        const container = await newContainer("/pk", definition);
        for (let number = 0; number < count; number++) {
          await container.items.create({ id: itemName(number), pk: `key-${number % keys}`, number });
        }
        return container;
      }

      defineChecks({ client, responses, database, newContainer, filledContainer });
    });
}

export function randomName(prefix) {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export function itemName(number) {
  return `item-${String(number).padStart(4, "0")}`;
}

export function itemNames(count) {
  return Array.from({ length: count }, (_, number) => itemName(number));
}

/** A document without its system properties. */
export function body(item) {
  const entries = Object.entries(item).filter(([name]) => ![...SYSTEM_PROPERTIES, "_lsn"].includes(name));
  return Object.fromEntries(entries);
}

export function ids(items) {
  return items.map((item) => item.id).sort();
}

/** Awaits a call that must fail with this status, and returns the error. */
export async function assertRejected(status, promise) {
  const { error } = await promise.then(
    () => ({}),
    (error) => ({ error }),
  );
  assert.ok(error, `succeeded, but should fail with ${status}`);
  assert.equal(error.code, status, error.message);
  return error;
}

/** Options of a check that needs the control interface of the embedded endpoint. */
export function controlled(options = {}) {
  return CONTROL_URL ? options : { skip: "an endpoint without a control interface" };
}

/** Sends a request to the control interface. */
export async function control(path, request) {
  const answer = await fetch(`${CONTROL_URL}${path}`, { method: "POST", body: JSON.stringify(request) });
  assert.equal(answer.status, 200, await answer.text());
}

export async function query(container, text, parameters = {}, options = {}) {
  const named = Object.entries(parameters).map(([name, value]) => ({ name, value }));
  const { resources } = await container.items.query({ query: text, parameters: named }, options).fetchAll();
  return resources;
}

export async function queryPages(container, options) {
  const pages = [];
  const iterator = container.items.query("SELECT * FROM c", options);
  while (iterator.hasMoreResults()) {
    const { resources } = await iterator.fetchNext();
    if (resources?.length) pages.push(resources);
  }
  return pages;
}

/** The pages of a query, each read by an iterator of its own from the continuation of the page before. */
export async function resumedPages(container, text, options) {
  const pages = [];
  let continuationToken;
  for (let count = 0; count < 1000; count++) {
    const page = await container.items.query(text, { ...options, continuationToken }).fetchNext();
    pages.push(page.resources ?? []);
    continuationToken = page.continuationToken;
    if (!continuationToken) return pages;
  }
  return assert.fail(`the continuations of ${text} do not end`);
}

/** The pages of a change feed up to its current end, and the continuation from there. */
export async function changePages(container, changeFeedStartFrom, options = {}) {
  const iterator = container.items.getChangeFeedIterator({ changeFeedStartFrom, ...options });
  const pages = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { pages, continuation: page.continuationToken };
    assert.equal(page.statusCode, 200);
    pages.push(page.result);
  }
}

export async function changed(container, changeFeedStartFrom, options) {
  const { pages } = await changePages(container, changeFeedStartFrom, options);
  return pages.flat();
}

export const { Beginning, Continuation, Now, Time } = sdk.ChangeFeedStartFrom ?? {};
