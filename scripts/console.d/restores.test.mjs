// What goes wrong while documents are restored: another person is faster, the connection is lost, the key may only read, the service fails.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { App, city, until, zip } from "./app.mjs";
import { close, open, settled } from "./browser.mjs";

let app;
let pages = [];

before(async () => {
  app = await App.start("--incident", "--control-port", "0");
});
afterEach(async () => {
  for (const page of pages) await page.context().close();
  pages = [];
});
after(async () => {
  await close();
  await app?.stop();
});

async function person(options) {
  const page = await open(app, options);
  pages.push(page);
  return page;
}

const shows = (page, text) => page.getByText(text).first().waitFor();
const name = async (number) => (await app.read(zip(number))).city_name;

// Makes the plan that restores the first version of a document, and leaves the person at its button.
async function planOf(page, number) {
  const { items } = await app.api(`history/versions?id=${zip(number)}&pk=${zip(number)}`);
  await page.goto(`/api/console/document?id=${zip(number)}&version=${items.at(-1).id}&view=whole`);
  await settled(page);
  await page.getByRole("button", { name: /^Preview/ }).click();
  await page.waitForURL(/restore\?id=/);
  await shows(page, "This is a plan. Nothing has been written.");
  await settled(page);
  return page.getByRole("button", { name: "Replace 1 document in dev/events" });
}

test("of two plans for one document, the second person's is a conflict, and nothing is overwritten", async () => {
  const [ana, bob] = [await person(), await person()];
  const first = await planOf(ana, 20);
  const second = await planOf(bob, 20);
  await first.click();
  await shows(ana, "Done. ");
  assert.equal(await name(20), city(20));
  // Someone corrects the document before Bob confirms.
  await app.put({ ...(await app.read(zip(20))), city_name: "Corrected" });
  await second.click();
  await shows(bob, "Done; some documents had changed and were not written.");
  await bob.getByRole("link", { name: "conflict 1" }).waitFor();
  assert.equal(await name(20), "Corrected");
});

test("of two people with one plan, the second sees the result of the first", async () => {
  const [ana, bob] = [await person(), await person()];
  await planOf(ana, 21);
  const address = ana.url();
  await bob.goto(address);
  await settled(bob);
  await ana.getByLabel("Reason").fill("of Ana");
  await ana.getByRole("button", { name: /^Replace 1/ }).click();
  await shows(ana, "Done. ");
  await bob.getByLabel("Reason").fill("of Bob");
  await bob.getByRole("button", { name: /^Replace 1/ }).click();
  await shows(bob, "Reason: of Ana.");
  assert.equal(bob.url(), address);
  const { items } = await app.api("restores");
  const done = items.filter(({ reason }) => reason?.startsWith("of "));
  assert.deepEqual(done.map(({ reason, counts }) => [reason, counts.replace]), [["of Ana", 1]]);
});

test("when the reply to a confirmation is lost, the page says so, and a reload shows what happened", async () => {
  const page = await person();
  const button = await planOf(page, 22);
  // The app gets the request, and its reply does not arrive.
  await page.route("**/execute", async (route) => {
    await route.fetch();
    await route.abort("connectionreset");
  });
  await button.click();
  await shows(page, "The app cannot be reached. It is not known whether it got the request; reload the page to see.");
  await page.unroute("**/execute");
  await page.reload();
  await shows(page, "Done. ");
  assert.equal(await name(22), city(22));
  assert.equal(await page.getByRole("button", { name: /^Replace 1/ }).count(), 0, "it cannot be confirmed again");
});

test("a connection that is lost during a restore comes back to its result", async () => {
  const page = await person();
  await page.goto("/api/console/find?from=1h&actor=release-42");
  await settled(page);
  await page.getByRole("button", { name: /Undo these changes/ }).click();
  await shows(page, "This is a plan. Nothing has been written.");
  const reads = [];
  await page.route("**/api/views/restore?*", async (route) => {
    reads.push(route.request().url());
    await route.abort("internetdisconnected");
  });
  await page.getByRole("button", { name: /^Replace 3/ }).click();
  await shows(page, "The app cannot be reached. Trying again.");
  await until("the page tries again", async () => reads.length > 1);
  await page.unroute("**/api/views/restore?*");
  await shows(page, "Done");
  assert.equal(await name(30), city(30));
});

test("a key that can only read hides what it cannot do", async () => {
  const page = await person();
  // The host refuses such a key before the app sees the request.
  const refused = [];
  await page.route((url) => url.pathname.startsWith("/api/") && !url.pathname.startsWith("/api/console"), async (route) => {
    if (route.request().method() === "GET") return route.continue();
    refused.push(route.request().url());
    await route.fulfill({ status: 401, body: "" });
  });
  const { items } = await app.api("restores");
  const addresses = ["find?from=1h", `document?id=${zip(40)}`, `document?id=${zip(40)}&view=whole`, `restore?id=${items[0].id}`, "overview", "jobs", "restores", "backups", "verifications", "dead-letters"];
  for (const address of addresses) {
    await page.goto(`/api/console/${address}`);
    await settled(page);
    const buttons = await page.locator("main form:is([data-post], [data-each]) button:visible, main a.writes:visible").allInnerTexts();
    assert.deepEqual(buttons, [], address);
    assert.equal(await page.getByRole("dialog", { name: "Function key" }).count(), 0, `${address} asks for no other key`);
  }
  await page.goto("/api/console/find?from=1h");
  await settled(page);
  await shows(page, "This key can read, and not write.");
  await page.keyboard.press("r");
  assert.match(page.url(), /find/, "the key r does nothing");
  assert.ok(refused.every((url) => url.endsWith("/api/restores")), `only the question what the key may do: ${refused}`);
});

test("each kind of error is a page in words, with a way on", async () => {
  const page = await person();
  const alert = page.getByRole("alert");
  for (const [address, heading, text] of [
    ["find?from=noon", "This cannot be shown", /from: invalid time "noon"/],
    ["find?filter=a+b+c", "This cannot be shown", /filter: /],
    ["documents?filter=a+b+c", "This cannot be shown", /filter: /],
    ["find?colour=red", "This cannot be shown", /unknown parameter "colour"; allowed are/],
    [`document?id=${zip(1)}&version=none`, "Not found", /no such version|version/],
    ["restore?id=none", "Not found", /no such restore/],
    ["backups?id=none", "Not found", /no such backup/],
    ["verifications?id=none", "Not found", /no such verification/],
    ["dead-letters?id=none", "Not found", /there is no dead letter with this id/],
    ["nothing", "There is no such page", /Overview/],
  ]) {
    await page.goto(`/api/console/${address}`);
    await settled(page);
    await alert.getByRole("heading", { name: heading }).waitFor();
    assert.match(await alert.innerText(), text, address);
  }
  // The service refuses to read for a while: the page says what to do, and works afterwards.
  const fault = { container: "changes", kind: "query", status: 403, times: 20 };
  const answer = await fetch(`${app.ready.control}/faults`, { method: "POST", body: JSON.stringify(fault) });
  assert.ok(answer.ok, await answer.text());
  await page.goto(`/api/console/document?id=${zip(41)}&pk=${zip(41)}`);
  await settled(page);
  await alert.getByRole("heading", { name: /could not be read|Not available now/ }).waitFor();
  await fetch(`${app.ready.control}/faults`, { method: "DELETE" });
  await page.reload();
  await page.getByRole("heading", { name: "Versions" }).waitFor();
});
