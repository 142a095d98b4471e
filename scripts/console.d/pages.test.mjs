// Pages beside the story: documents by field, what moved, the state of the capture in the head, and the verification of a backup.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { App, city, zip } from "./app.mjs";
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
  assert.deepEqual(problems, []);
});
after(async () => {
  await close();
  await app?.stop();
});

test("documents and versions are found by a field, and the address has what was asked for", async () => {
  page = await open(app);
  await page.goto("/api/console/find");
  await settled(page);
  await page.getByRole("link", { name: "Documents by field" }).click();
  await page.waitForURL(/documents/);
  await settled(page);
  await page.getByLabel("Fields").fill(`city_name="${city(3)}"`);
  await page.getByLabel("From").fill("4d");
  await page.keyboard.press("Enter");
  await page.waitForURL(/documents\?filter=city_name.*from=\d{4}-/);
  await settled(page);
  // The release replaced the name, so only the version before it has it.
  const rows = page.locator("table.rows tbody tr");
  assert.equal(await rows.count(), 1);
  assert.match(await rows.innerText(), new RegExp(`${zip(3)}[\\s\\S]*"${city(3)}"[\\s\\S]*import`));
  await page.reload();
  await settled(page);
  assert.equal(await page.getByLabel("Fields").inputValue(), `city_name="${city(3)}"`);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/document\?id=.*version=/);
});

test("what moved in a document is shown as moved", async () => {
  const stop = (name) => ({ name, open: true, note: `a stop in ${name}` });
  const stops = ["Boone", "Cary", "Durham"].map(stop);
  await app.put({ id: "moved", pk: "moved", stops, updatedBy: "ana" });
  await app.untilCaptured();
  await app.put({ id: "moved", pk: "moved", stops: [stops[1], stops[2], stops[0]], updatedBy: "bob" });
  await app.untilCaptured();
  page = await open(app, { bypassCSP: true });
  for (const layout of ["inline", "columns"]) {
    await page.goto(`/api/console/document?id=moved&layout=${layout}`);
    await settled(page);
    const fold = page.getByText("5 lines moved to /stops/2");
    await fold.click();
    await page.locator(".diff .moved").filter({ hasText: "a stop in Boone" }).first().waitFor();
    const changed = await page.locator(".diff .minus, .diff .plus").allInnerTexts();
    assert.ok(changed.every((text) => text.includes("updatedBy")), `${changed}`);
    assert.deepEqual(await violations(page), []);
  }
});

test("the head of every page shows whether everything is captured, and is red only when action is needed", async () => {
  page = await open(app);
  const pill = page.locator("#health a");
  for (const address of ["find", "restores", `document?id=${zip(1)}`]) {
    await page.goto(`/api/console/${address}`);
    await pill.waitFor();
    assert.equal(await pill.innerText(), "all captured");
    assert.equal(await page.locator("#health .bad").count(), 0);
  }
  const fault = { container: "leases", kind: "query", status: 403, times: 100 };
  const answer = await fetch(`${app.ready.control}/faults`, { method: "POST", body: JSON.stringify(fault) });
  assert.ok(answer.ok, await answer.text());
  await page.goto("/api/console/find");
  await page.locator("#health .bad").waitFor();
  assert.match(await pill.innerText(), /Action needed\s*Look at: changefeed doctor/);
  await pill.click();
  await page.getByText("The leases cannot be read").first().waitFor();
  await fetch(`${app.ready.control}/faults`, { method: "DELETE" });
});

test("a backup is verified part by part, and the result is shown", async () => {
  page = await open(app);
  const form = '<form class="writes" data-writes data-verify="/api/backups/b/verify"><output></output><button>Verify every digest</button></form>';
  await page.route("**/api/views/backups*", (route) => route.fulfill({
    contentType: "text/html; charset=utf-8",
    body: `<div class="view" data-title="Backup" data-scope="dev / events" data-page="backups">${form}</div>`,
  }));
  const asked = [];
  let damages = [];
  await page.route("**/api/backups/b/verify", (route) => {
    asked.push(route.request().postDataJSON());
    const isFirst = !asked.at(-1).continuation;
    const part = isFirst ? { segments: 2, damages, sound: true, continuation: "2" } : { segments: 1, damages: [], sound: true };
    return route.fulfill({ json: part });
  });
  await page.goto("/api/console/backups?id=b");
  await settled(page);
  const button = page.getByRole("button", { name: "Verify every digest" });
  await button.click();
  await page.getByText("Sound: 3 files, and every digest is right.").waitFor();
  assert.deepEqual(asked, [{}, { continuation: "2" }]);
  damages = [{ damage: "missing", segment: "part-00001.ndjson.zst" }];
  await button.click();
  await page.getByText("Damaged: missing part-00001.ndjson.zst").waitFor();
});
