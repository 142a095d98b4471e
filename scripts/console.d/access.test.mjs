// Keys, hostile documents and lost connections.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { App } from "./app.mjs";
import { close, open, settled } from "./browser.mjs";

let app;
let page;

before(async () => {
  app = await App.start("--require-keys");
});
afterEach(async () => {
  await page?.context().close();
});
after(async () => {
  await close();
  await app?.stop();
});

async function signIn(key) {
  const dialog = page.getByRole("dialog", { name: "Function key" });
  await dialog.waitFor();
  await page.locator("#function-key").fill(key);
  await page.keyboard.press("Enter");
}

const ATTACK = "\"'><img src=x onerror=\"document.title='attacked'\"><script>document.title='attacked'</script>";

test("the key is asked for once, and kept for the tab only", async () => {
  page = await open(app);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto("/api/console/find");
  await signIn("wrong");
  await page.getByText("The app refused this key.").waitFor();
  await signIn(app.ready.functionKey);
  await settled(page);
  await page.reload();
  await settled(page);
  assert.equal(await page.getByRole("dialog", { name: "Function key" }).count(), 0);
  assert.ok(!requests.some((url) => url.includes(app.ready.functionKey)), "the key is in no address");
  const other = await open(app);
  await other.goto("/api/console/find");
  await other.getByRole("dialog", { name: "Function key" }).waitFor();
  await other.context().close();
  assert.deepEqual(page.problems, []);
});

test("what documents hold has no effect on the page", async () => {
  const id = "<b>x</b>";
  await app.put({ id, pk: ATTACK, [ATTACK]: ATTACK, updatedBy: ATTACK, nested: { [ATTACK]: [ATTACK] } });
  // Numbers that JavaScript does not have.
  await app.put(`{"id": "large", "pk": "large", "n": 9007199254740993, "m": 18446744073709551615}`, "large");
  page = await open(app);
  await page.goto("/api/console/find");
  await signIn(app.ready.functionKey);
  await page.getByText("large", { exact: true }).first().waitFor({ timeout: 1000 }).catch(async () => {
    await page.waitForTimeout(3000);
    await page.goto("/api/console/find");
    await settled(page);
  });
  await settled(page);
  for (const view of ["compare", "whole", "blame"]) {
    await page.goto(`/api/console/document?id=${encodeURIComponent(id)}&view=${view}`);
    await settled(page);
    assert.equal(await page.locator("main img, main script, main b").count(), 0, view);
    assert.notEqual(await page.title(), "attacked");
    assert.ok((await page.locator("main").innerText()).includes("<img src=x"), view);
  }
  await page.goto("/api/console/document?id=large&view=whole");
  await settled(page);
  assert.match(await page.locator(".diff").innerText(), /"n": 9007199254740993/);
  assert.deepEqual(page.problems, []);
});

test("a lost connection is reported, and the page is shown when it is back", async () => {
  page = await open(app);
  await page.goto("/api/console/find");
  await signIn(app.ready.functionKey);
  await settled(page);
  await page.context().setOffline(true);
  await page.getByRole("link", { name: "Restores" }).click();
  await page.getByText("The app cannot be reached. Trying again.").waitFor();
  await page.context().setOffline(false);
  await page.getByRole("heading", { name: "Restores" }).waitFor();
  await page.waitForURL(/restores/);
  assert.equal(await page.locator("#notice").isVisible(), false);
});
