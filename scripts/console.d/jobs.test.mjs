// Jobs and dead letters: cancel, undo, replay and discard by clicks, the head of the page, and what is shown while the app fails.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { App, until, zip } from "./app.mjs";
import { close, open, settled, violations } from "./browser.mjs";

let app;
let page;

before(async () => {
  app = await App.start("--incident", "--control-port", "0");
});
afterEach(async () => {
  const problems = page?.problems ?? [];
  await page?.context().close();
  page = undefined;
  await heal();
  assert.deepEqual(problems, []);
});
after(async () => {
  await close();
  await app?.stop();
});

async function fault(fault) {
  const answer = await fetch(`${app.ready.control}/faults`, { method: "POST", body: JSON.stringify(fault) });
  assert.ok(answer.ok, await answer.text());
}

const heal = () => fetch(`${app.ready.control}/faults`, { method: "DELETE" });
const shows = (text) => page.getByText(text).first().waitFor();
const row = (id) => page.locator("table.jobs tr").filter({ has: page.locator(`[id="job-${id}"]`) });
// Slow requests, so that a job runs while the test looks at it.
const slow = (container, kind) => fault({ container, kind, delayMilliseconds: 1000, times: 10_000 });

async function go(address) {
  await page.goto(`/api/console/${address}`);
  await settled(page);
}

// Stores an item of a container as it is.
async function store(container, item) {
  const address = `${app.ready.cosmos}dbs/dev/colls/${container}/docs`;
  const headers = { "x-ms-documentdb-partitionkey": JSON.stringify([item.id]), "x-ms-documentdb-is-upsert": "true" };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(item) });
  assert.ok(answer.ok, await answer.text());
}

// A dead letter. One whose document has an etag can be captured now.
async function deadLetter(number, hasEtag) {
  const id = number.toString(16).padStart(64, "0");
  const etag = hasEtag ? { _etag: `"00000000-0000-0000-0000-0000000000${number}"`, _ts: 1_790_000_000 + number, _lsn: number } : {};
  const payload = JSON.stringify({ id: `letter-${number}`, pk: "a", ...etag });
  await store("dead-letters", { id, reason: "no-etag", message: "the document has no _etag", function: "CosmosChangeFeed", invocationId: "i",
    capturedAt: new Date(1_790_000_000_000 + number * 1000).toISOString(), rewrittenByHost: false, attempts: 0, schema: 1, payload });
  return id;
}

async function deadLetters() {
  const { items } = await app.api("dead-letters");
  return items.map(({ id }) => Number.parseInt(id, 16)).sort((one, other) => one - other);
}

test("a verification that runs is followed and cancelled from the list of all jobs", async () => {
  page = await open(app);
  await slow("events", "query");
  const { id } = await app.api("verify", { graceSeconds: 0, requestedBy: "ana" });
  await go(`verifications?id=${id}`);
  await shows("No findings so far.");
  await shows("It is running, requested by ana.");
  await go("jobs");
  await row(id).getByText("running").waitFor();
  await row(id).getByRole("button", { name: "Cancel" }).click();
  await row(id).getByText(/^cancelled$|^Cancelling/).first().waitFor();
  await heal();
  // The list is shown again by itself until no job runs.
  await row(id).getByText("cancelled", { exact: true }).waitFor();
  await page.waitForFunction(() => !document.querySelector("[data-refresh]"));
  await row(id).getByRole("link").click();
  await page.waitForURL(/verifications\?id=/);
  await shows("It is not known whether there are findings: the verification was cancelled.");
  const { state } = await app.api(`verify/${id}`);
  assert.equal(state, "cancelled");
});

test("a restore that runs is cancelled from its row, and a finished one leads to the plan of its undo", async () => {
  page = await open(app);
  await slow("events", "write");
  const now = Math.floor(Date.now() / 1000);
  const request = { changedBetween: { from: now - 3600, to: now }, actor: "release-42", laterChanges: "merge", ruPerSecond: 50, reason: "slow" };
  const { id } = await app.api("restores", request);
  await go("restores");
  await row(id).getByRole("button", { name: "Cancel" }).waitFor();
  await row(id).getByText(/^(queued|running)$/).waitFor();
  await row(id).getByRole("button", { name: "Cancel" }).click();
  await heal();
  await row(id).getByText("cancelled", { exact: true }).waitFor();
  const { items } = await app.api(`history/versions?id=${zip(50)}&pk=${zip(50)}`);
  const one = await app.api("restores", { id: zip(50), pk: zip(50), version: items.at(-1).id, reason: "one name" });
  await until("the restore has ended", async () => (await app.api(`restores/${one.id}`)).state === "done");
  await go("restores");
  const before = await app.read(zip(50));
  await row(one.id).getByRole("link", { name: "Undo…" }).click();
  await page.waitForURL(/restore\?id=.*undo=true/);
  await shows("Nothing has been written.");
  assert.deepEqual(await app.read(zip(50)), before);
  await page.getByRole("button", { name: "Replace 1 document in dev/events" }).click();
  await shows("Done. ");
  await go("restores");
  await row(one.id).getByText("undone").waitFor();
  assert.equal(await row(one.id).getByText("Undo…").count(), 0, "it cannot be undone twice");
  // The undo of a job has a stored plan.
  const { id: planned } = await app.api("restores", { id: zip(51), pk: zip(51), asOf: "2d", dryRun: true, store: true });
  await until("the plan", async () => (await app.api(`restores/${planned}`)).state === "planned");
  await app.api(`restores/${planned}/execute`, {});
  await until("the restore has ended", async () => (await app.api(`restores/${planned}`)).state === "done");
  await go("jobs");
  await row(planned).getByRole("button", { name: "Undo…" }).click();
  await page.waitForURL(/restore\?id=/);
  await shows("This is a plan. Nothing has been written.");
  await page.getByRole("button", { name: "Replace 1 document in dev/events" }).waitFor();
});

test("dead letters are replayed together, those that fail are named, and one is discarded after words say what that means", async () => {
  page = await open(app);
  for (const number of [1, 2, 3, 4]) await deadLetter(number, number !== 3);
  await go("dead-letters");
  const next = page.getByRole("button", { name: "Replay or discard the chosen…" });
  await next.click();
  await shows("Choose at least one row.");
  await page.getByLabel("Choose all on this page").check();
  await page.getByRole("checkbox", { name: /^Choose no-etag/ }).last().uncheck();
  await next.click();
  await page.waitForURL(/chosen=.*chosen=/);
  await shows("3 dead letters to replay or discard");
  // The service refuses one of the writes.
  await fault({ container: "changes", kind: "write", status: 403, times: 1 });
  await page.getByRole("button", { name: /^Replay 3 changes/ }).click();
  await shows(/^1 of 3 done: .*1 failed/);
  const failures = await page.locator(".failures:visible li").allInnerTexts();
  assert.equal(failures.length, 2, `${failures}`);
  assert.ok(failures.some((text) => text.includes("403")) && failures.some((text) => text.includes("_etag")), `${failures}`);
  // The same button tries those again that are left.
  await page.getByRole("button", { name: /^Replay 3 changes/ }).click();
  await shows(/^1 of 2 done: .*1 still cannot be stored/);
  assert.deepEqual(await deadLetters(), [1, 3]);
  const { items } = await app.api("history/versions?id=letter-4&pk=a");
  assert.equal(items.length, 1);
  // One.
  await page.getByRole("link", { name: "All dead letters" }).click();
  await page.getByRole("link", { name: "no-etag" }).first().click();
  await page.waitForURL(/dead-letters\?id=/);
  await shows("2 failed replays");
  await page.getByRole("link", { name: "Discard…" }).click();
  await page.waitForURL(/chosen=/);
  await shows("; it is never captured.");
  assert.match(await page.locator(".footer-bar").innerText(), /Discard the change of document letter-3; it is never captured\. Its payload is deleted\. This cannot be undone\./);
  assert.deepEqual(await deadLetters(), [1, 3]);
  await page.getByRole("button", { name: "Discard the change of letter-3" }).click();
  await shows("1 of 1 done: 1 discarded.");
  assert.deepEqual(await deadLetters(), [1]);
  await go("dead-letters?chosen=all");
  await page.getByRole("button", { name: "Discard the change of letter-1" }).click();
  await shows("1 of 1 done: 1 discarded.");
  assert.deepEqual(await deadLetters(), []);
});

test("the head of a page is one row, with the action that is needed too, and has room on a narrow screen", async () => {
  await deadLetter(5, true);
  for (const [width, is1Row] of [[1280, true], [1100, true], [360, false]]) {
    page = await open(app, { viewport: { width, height: 800 } });
    await go("jobs");
    await page.locator("#health .bad").waitFor();
    const boxes = await page.evaluate(() => ["nav", "#health", ".search"].map((name) => document.querySelector(`header ${name}`).getBoundingClientRect()).map(({ top, bottom, left, right }) => ({ middle: (top + bottom) / 2, left, right })));
    if (is1Row) for (const { middle } of boxes) assert.ok(Math.abs(middle - boxes[0].middle) < 4, `${width}: ${JSON.stringify(boxes)}`);
    for (const { left, right } of boxes) assert.ok(left >= 0 && right <= width, `${width}: ${JSON.stringify(boxes)}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${width}`);
    for (const name of ["Overview", "Find", "Jobs", "Restores", "Backups", "Verifications", "Dead letters"]) {
      assert.ok(await page.locator("nav").getByRole("link", { name, exact: true }).isVisible(), `${width}: ${name}`);
    }
    const problems = page.problems;
    await page.context().close();
    page = undefined;
    assert.deepEqual(problems, []);
  }
  await app.api(`dead-letters/${"5".padStart(64, "0")}/replay`, {});
});

test("a page that is not available says so with a way on, and comes back", async () => {
  page = await open(app);
  await go("overview");
  // The service answers with 503 for longer than the app tries.
  await page.route("**/api/views/jobs*", async (route) => {
    await route.fulfill({ status: 503, contentType: "text/html; charset=utf-8", headers: { "retry-after": "1" },
      body: `<div class="view" data-title="Jobs" data-scope="dev / events" data-page="jobs"><section class="panel error" role="alert"><div class="body"><h2>Not available now; try again</h2><p>503</p><p><a class="button" href="">Try again</a></p></div></section></div>` });
  });
  await page.locator("nav").getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("alert").getByRole("heading", { name: "Not available now; try again" }).waitFor();
  await page.unroute("**/api/views/jobs*");
  await page.getByRole("link", { name: "Try again" }).click();
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  // The host or a proxy answers instead of the app.
  await page.route("**/api/views/backups*", (route) => route.fulfill({ status: 503, contentType: "text/plain", body: "Function host is not running." }));
  await page.locator("nav").getByRole("link", { name: "Backups" }).click();
  await shows("The app answered with status 503. Trying again.");
  await page.unroute("**/api/views/backups*");
  await page.getByRole("heading", { name: "Backups" }).waitFor();
  assert.match(page.url(), /backups$/);
  await page.goBack();
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
});

test("lists and pages of jobs and dead letters have no serious violation of accessibility rules, in light and dark and narrow", async () => {
  const letter = await deadLetter(6, false);
  const request = { to: "https://account.blob.core.windows.net/backups/a", requestedBy: "nightly", reason: "every night" };
  const startedAt = new Date().toISOString();
  const job = (id, kind, state, more) => store("jobs", { id, kind, state, request: {}, startedAt, counts: {}, requestCharge: 0, job: { done: 0, onlyOn: "nowhere" }, schema: 1, ...more });
  await job("b-1", "backup", "failed", { request, finishedAt: startedAt, job: { done: 0, message: "the disk is full" } });
  await job("b-2", "backup", "queued", { request });
  await job("v-1", "verify", "findings", { finishedAt: startedAt, counts: { documents: 10, missing: 2 } });
  await job("v-2", "verify", "running", { job: { done: 40, total: 100, onlyOn: "nowhere", cursor: { phase: "live" } } });
  const selection = { id: zip(1), partitionKey: [zip(1)], asOf: 1_790_000_000 };
  const counts = Object.fromEntries(["create", "replace", "merge", "delete", "unchanged", "kept", "unknown", "conflict", "failed"].map((name) => [name, 0]));
  await job("r-1", "restore", "running", { request: selection, counts, job: { done: 3, total: 9, onlyOn: "nowhere" } });
  const found = [];
  for (const options of [{}, { colorScheme: "dark" }, { colorScheme: "dark", viewport: { width: 360, height: 780 } }]) {
    page = await open(app, { ...options, bypassCSP: true });
    for (const address of ["overview", "jobs", "restores", "backups", "verifications", "restore?id=r-1", "backups?id=b-1", "backups?id=b-2", "verifications?id=v-1", "verifications?id=v-2",
      "dead-letters", `dead-letters?id=${letter}`, `dead-letters?chosen=${letter}`, "dead-letters?chosen=all"]) {
      await go(address);
      await page.locator("#health a").waitFor();
      for (const violation of await violations(page)) found.push(`${JSON.stringify(options)} ${address}: ${violation}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) found.push(`${JSON.stringify(options)} ${address}: ${overflow} pixels too wide`);
    }
    found.push(...page.problems);
    await page.context().close();
  }
  page = undefined;
  assert.deepEqual(found, []);
});
