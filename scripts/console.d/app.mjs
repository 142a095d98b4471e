// Starts `changefeed local` for the tests of the console, and plays an incident in it.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = process.env.CHANGEFEED ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/changefeed`;
const DEADLINE_MS = 60_000;

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Waits until `condition` returns something, and returns that.
export async function until(what, condition) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS / 1000} seconds`);
    await sleep(50);
  }
}

export class App {
  #child;

  static async start(...more) {
    const app = new App();
    const ports = ["--cosmos-port", "0", "--host-port", "0", "--control-port", "0"];
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

  // The clock of the endpoint: so many seconds before now.
  async secondsAgo(seconds) {
    const answer = await fetch(`${this.ready.control}/clock`, { method: "POST", body: JSON.stringify({ offsetSeconds: -seconds }) });
    if (!answer.ok) throw new Error(await answer.text());
  }

  async #item(method, pk, id, body, more = {}) {
    const address = `${this.ready.cosmos}dbs/dev/colls/events/docs${id === undefined ? "" : `/${encodeURIComponent(id)}`}`;
    const headers = { "x-ms-documentdb-partitionkey": JSON.stringify([pk]), ...more };
    const options = { method, headers, body: body && (typeof body === "string" ? body : JSON.stringify(body)) };
    // The endpoint may close an idle connection just when it is used again.
    const answer = await fetch(address, options).catch(() => fetch(address, options));
    if (!answer.ok) throw new Error(`${method} ${id}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  // Writes a document: an object, or a JSON text, which may have numbers that JavaScript does not have.
  put(document, pk = document.pk) {
    return this.#item("POST", pk, undefined, document, { "x-ms-documentdb-is-upsert": "true" });
  }

  read(id, pk = id) {
    return this.#item("GET", pk, id);
  }

  delete(id, pk = id) {
    return this.#item("DELETE", pk, id);
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

export const RELEASED = 400;
const IMPORTED = 520;
const CONNECTIONS = 8;
const CITIES = ["Asheville", "Boone", "Cary", "Chapel Hill", "Charlotte", "Davidson", "Durham", "Hickory", "Raleigh", "Wilmington"];

export const zip = (number) => String(27001 + number);
export const city = (number) => CITIES[number % CITIES.length];

const imported = (number) => ({
  id: zip(number), pk: zip(number), postal_cd: zip(number), country_cd: "US", city_name: city(number), state_abbrv: "NC",
  latitude: 35 + number / 1000, longitude: -80 - number / 1000, seq: number, doctype: "zipcode", updatedBy: "import",
  location: { type: "Point", coordinates: [-80 - number / 1000, 35 + number / 1000] },
});

// The wrong release: documents are imported; 30 minutes ago a release writes the names of 400 cities in capital letters, within nine
// minutes; after that users edit twelve of them, and correct the name of two.
export async function playIncident(app) {
  const all = async (documents) => {
    const left = documents.values();
    const worker = async () => {
      for (const document of left) await app.put(document);
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  };
  const numbers = (from, to) => Array.from({ length: to - from }, (_, at) => from + at);
  await app.secondsAgo(3 * 86_400);
  await all(numbers(0, IMPORTED).map(imported));
  // The feed has the newest version of a document only, so each has to be captured before the next one.
  await app.untilCaptured();
  // Edits of every day, of other documents.
  let edited = RELEASED;
  for (let minute = 58; minute > 0; minute -= 2) {
    await app.secondsAgo(minute * 60 + 7);
    const count = 2 + ((minute * 7) % 4);
    await all(numbers(edited, edited + count).map((number) => ({ ...imported(number), seq: 1000 + minute, updatedBy: "sync" })));
    edited += count;
    if (minute === 30) {
      const released = (number) => ({ ...imported(number), city_name: city(number).toUpperCase(), updatedBy: "release-42" });
      await app.untilCaptured();
      let from = 0;
      for (const [at, count] of [52, 71, 66, 60, 48, 41, 33, 21, 8].entries()) {
        await app.secondsAgo((29 - at) * 60 + 20);
        await all(numbers(from, from + count).map(released));
        from += count;
      }
    }
    if (minute === 10) {
      await app.untilCaptured();
      const live = await Promise.all(numbers(0, 12).map((number) => app.read(zip(number))));
      await all(live.map(({ _rid, _self, _etag, _attachments, _ts, ...document }, number) =>
        ({ ...document, ...(number < 2 && { city_name: `${city(number)}, by hand` }), phone: "555-0100", updatedBy: "user" })));
    }
  }
  await app.secondsAgo(0);
  await app.untilCaptured();
}
