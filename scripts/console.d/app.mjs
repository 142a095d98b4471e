// Starts `changefeed local` for the tests of the console.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = process.env.CHANGEFEED ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/changefeed`;
const DEADLINE_MS = 60_000;

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Waits until `condition` returns something, and returns that.
export async function until(what, condition, milliseconds = DEADLINE_MS) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${milliseconds / 1000} seconds`);
    await sleep(50);
  }
}

export class App {
  #child;

  static async start(...more) {
    const app = new App();
    const ports = ["--cosmos-port", "0", "--host-port", "0"];
    app.#child = spawn(program, ["local", ...ports, "--script-root", root, ...more], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, RUST_LOG: "error" },
    });
    const [line] = await Promise.race([
      new Promise((resolve) => createInterface(app.#child.stdout).once("line", (line) => resolve([line]))),
      new Promise((_, reject) => app.#child.once("exit", (code) => reject(new Error(`changefeed local ended with ${code}`)))),
    ]);
    app.ready = JSON.parse(line);
    app.origin = new URL(app.ready.api).origin;
    return app;
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGTERM");
    await new Promise((resolve) => this.#child.once("exit", resolve));
  }

  async #send(method, path, pk, body, more = {}) {
    const address = `${this.ready.cosmos}dbs/dev/colls/${path}`;
    // A key that is a text already is in JSON: it may have numbers that JavaScript does not have.
    const headers = { "x-ms-documentdb-partitionkey": pk.startsWith?.("[") ? pk : JSON.stringify([pk]), ...more };
    const options = { method, headers, body: body && (typeof body === "string" ? body : JSON.stringify(body)) };
    // The endpoint may close an idle connection just when it is used again.
    const answer = await fetch(address, options).catch(() => fetch(address, options));
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  // Writes a document: an object, or a JSON text, which may have numbers that JavaScript does not have.
  put(document, pk = document.pk) {
    return this.#send("POST", "events/docs", pk, document, { "x-ms-documentdb-is-upsert": "true" });
  }

  read(id, pk = id) {
    return this.#send("GET", `events/docs/${encodeURIComponent(id)}`, pk);
  }

  delete(id, pk = id) {
    return this.#send("DELETE", `events/docs/${encodeURIComponent(id)}`, pk);
  }

  // Creates an item of any container.
  create(container, item, pk) {
    return this.#send("POST", `${container}/docs`, pk, item);
  }

  // The items of a query in one partition.
  async query(container, query, pk) {
    const more = { "content-type": "application/query+json", "x-ms-documentdb-isquery": "true" };
    const { Documents } = await this.#send("POST", `${container}/docs`, pk, { query, parameters: [] }, more);
    return Documents;
  }

  // Calls a function of the HTTP API.
  async api(path, body) {
    const method = body === undefined ? "GET" : "POST";
    const answer = await fetch(`${this.ready.api}/${path}`, { method, body: body && JSON.stringify(body) });
    const read = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(read)}`);
    return read;
  }

  // Waits until the history has the newest version of every document.
  untilCaptured() {
    return until("everything is captured", async () => {
      const { leases } = await this.api("status");
      const capture = leases.filter(({ feed }) => feed === "capture");
      return capture.length > 0 && capture.every(({ lag }) => lag === 0);
    });
  }
}

// What `changefeed local --incident` writes: a release wrote the names of the first 400 cities in capital letters, and users edited the first
// twelve of these documents, and corrected the name of two. handler/app/src/cli/local/incident.rs describes all of it.
export const RELEASED = 400;
const postalCodes = JSON.parse(readFileSync(`${root}data/nc_zipcodes.json`, "utf8"));

export const zip = (number) => postalCodes[number].postal_cd;
export const city = (number) => postalCodes[number].city_name;
