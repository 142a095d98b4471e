// Documents that are large or have many versions, and what is done with them.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { App } from "./app.mjs";
import { close, open, settled, violations } from "./browser.mjs";

const VERSIONS = 10_000;
const AT_ONCE = 50;
// What a page may have, so that it does not freeze.
const MOST_ELEMENTS = 15_000;

let app;
let page;

before(async () => {
  app = await App.start();
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

const elements = () => page.evaluate(() => document.getElementsByTagName("*").length);

async function show(address) {
  await page.goto(`/api/console/${address}`);
  await settled(page);
}

test("a document of almost 2 MB is compared, unfolded, and shown to the end of its longest value", async () => {
  const list = Array.from({ length: 12_000 }, (_, at) => ({ at, name: `element ${at}`, note: "n".repeat(60) }));
  const text = "0123456789".repeat(60_000);
  await app.put({ id: "large", pk: "large", first: 1, list, text, last: 1, updatedBy: "ana" });
  await app.untilCaptured();
  await app.put({ id: "large", pk: "large", first: 2, list, text: `${text}end`, last: 2, updatedBy: "bob" });
  await app.untilCaptured();
  page = await open(app, { bypassCSP: true });
  for (const layout of ["inline", "columns"]) {
    await show(`document?id=large&layout=${layout}`);
    assert.ok((await elements()) < MOST_ELEMENTS, `${layout}: ${await elements()} elements`);
    const fold = page.locator("a.fold").first();
    assert.match(await fold.innerText(), /60002 unchanged lines: list/);
    await fold.click();
    await page.getByText('"element 0"').first().waitFor();
    assert.match(page.url(), /document\?id=large/);
    assert.doesNotMatch(page.url(), /fold=/, "the lines are put in the place of the fold");
    assert.ok(await page.getByText('"first": 2').first().isVisible());
    // What is left is folded again.
    await page.locator("a.fold").first().click();
    await page.getByText('"element 150"').first().waitFor();
    assert.ok((await elements()) < MOST_ELEMENTS, `${layout}: ${await elements()} elements`);
    assert.deepEqual(await violations(page), []);
  }
  await show("document?id=large");
  await page.getByRole("link", { name: "whole value" }).last().click();
  for (const character of [200_000, 400_000, 600_000]) {
    await page.getByRole("link", { name: "Next characters" }).click();
    await page.waitForURL(new RegExp(`character=${character}$`));
    await settled(page);
  }
  await page.getByText("600,001 to 600,005 of").waitFor();
  assert.equal(await page.locator("pre.value").innerText(), '9end"');
  assert.deepEqual(await violations(page), []);
  await page.getByRole("link", { name: "Back to its line" }).click();
  await page.getByText('"last": 2').first().waitFor();
});

test("of 10,000 versions a page shows some, and every one has an address", async () => {
  await app.put({ id: "many", pk: "many", n: 0 });
  await app.untilCaptured();
  const [record] = await app.query("changes", "SELECT * FROM c WHERE c.sourceId = 'many'", '["many","many"]');
  const versions = Array.from({ length: VERSIONS }, (_, at) => at + 1);
  const copy = (at) => ({ ...record, operation: "replace", id: `${record.sourceTs - at}-version-${at}`, sourceTs: record.sourceTs - at, lsn: undefined, document: { ...record.document, n: -at } });
  while (versions.length > 0) await Promise.all(versions.splice(0, AT_ONCE).map((at) => app.create("changes", copy(at), JSON.stringify([record.pk, record.sourceId]))));
  page = await open(app);
  await show("document?id=many");
  assert.equal(await page.locator("[data-version]").count(), 30);
  assert.ok((await elements()) < MOST_ELEMENTS);
  await page.keyboard.press("n");
  await page.waitForURL(/list=/);
  await settled(page);
  assert.equal(await page.locator("[data-version]").count(), 30);
  const old = `${record.sourceTs - 9000}-version-9000`;
  await show(`document?id=many&version=${old}`);
  assert.equal(await page.locator("[aria-current][data-version]").getAttribute("data-version"), old);
  assert.match(await page.locator(".diff").innerText(), /-9001[\s\S]*-9000/);
  await show("document?id=many&view=blame");
  await page.getByText("Who set what").first().waitFor();
});

test("a document is restored whose key is a number that JavaScript does not have", async () => {
  const key = "[9007199254740993]";
  for (const n of [1, 2]) {
    await app.put(`{"id": "number", "pk": 9007199254740993, "n": ${n}, "m": 18446744073709551615}`, key);
    await app.untilCaptured();
  }
  page = await open(app);
  await show(`document?id=number&partitionKey=${key}`);
  await page.keyboard.press("r");
  await page.getByRole("button", { name: "Merge 1 document in dev/events" }).click();
  await page.getByText("Done.").first().waitFor();
  const [live] = await app.query("events", "SELECT c.n, c.m = 18446744073709551615 AS isWhole FROM c WHERE c.id = 'number'", key);
  assert.deepEqual(live, { n: 1, isWhole: true });
});

test("marks belong to one document, a link leads back by Esc, and copied times are in UTC", async () => {
  for (const id of ["one", "two"]) {
    await app.put({ id, pk: id, n: 1 });
    await app.untilCaptured();
    await app.put({ id, pk: id, n: 2 });
    await app.untilCaptured();
  }
  page = await open(app);
  await show("document?id=one&pk=one");
  for (const key of ["j", "m"]) await page.keyboard.press(key);
  await page.getByText("One version is marked.").waitFor();
  assert.equal(await page.locator(".marked").count(), 1);
  await page.keyboard.press("/");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await page.waitForURL(/id=two/);
  await settled(page);
  assert.equal(await page.locator(".marked").count(), 0);
  for (const key of ["j", "m"]) await page.keyboard.press(key);
  await page.getByText("One version is marked.").waitFor();
  await page.keyboard.press("x");
  await page.getByText("Mark two versions with m first.").waitFor();
  // A copy of a time, within a sentence and alone.
  const copied = (selector) => page.evaluate((selector) => {
    const element = document.querySelector(selector);
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    const data = new DataTransfer();
    document.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
    return { text: data.getData("text/plain"), utc: element.querySelector("time")?.dateTime ?? element.dateTime };
  }, selector);
  for (const selector of [".versions time", "[aria-label=Comparison] h2"]) {
    const { text, utc } = await copied(selector);
    assert.match(utc, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(text.includes(utc), text);
  }
  assert.equal(await page.locator(".copied").count(), 0);
  await page.close();
  page = await open(app);
  await show("document?id=one&pk=one");
  await page.keyboard.press("Escape");
  await page.waitForURL(/console\/find/);
  await settled(page);
});

test("of many fields all or none are chosen at once", async () => {
  const body = (n) => ({ id: "fields", pk: "fields", ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`field${at}`, n + at])) });
  for (const n of [1, 2]) {
    await app.put(body(n));
    await app.untilCaptured();
  }
  page = await open(app);
  await show("document?id=fields");
  await page.getByRole("button", { name: "None", exact: true }).click();
  assert.equal(await page.locator("input[type=checkbox]:checked").count(), 0);
  await page.keyboard.press("r");
  await page.getByText("Choose at least one field.").waitFor();
  await page.locator("input[value='/field7']").check();
  await page.keyboard.press("r");
  await page.getByText("This is a plan.").waitFor();
  assert.match(await page.locator("table.items").innerText(), /field7/);
  assert.doesNotMatch(await page.locator("table.items").innerText(), /field8/);
  await page.goBack();
  await settled(page);
  await page.getByRole("button", { name: "All", exact: true }).click();
  assert.equal(await page.locator("input[type=checkbox]:checked").count(), 30);
  await page.keyboard.press("r");
  await page.getByText("more fields").waitFor();
  await page.getByText("more fields").click();
  assert.match(await page.locator("table.items").innerText(), /field29/);
});
