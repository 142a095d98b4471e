// The story of a wrong release, in the console, by keyboard alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { App, city, zip } from "./app.mjs";
import { close, open, settled, violations } from "./browser.mjs";

const STOPS = 150;

let app;
let page;

before(async () => {
  app = await App.start("--incident");
  page = await open(app);
});
after(async () => {
  await close();
  await app?.stop();
});

// Moves with the Tab key to the element of a selector.
async function tabTo(selector) {
  for (let stop = 0; stop < STOPS; stop++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
  }
  throw new Error(`${selector} is not reached with Tab`);
}

async function press(key, address) {
  await page.keyboard.press(key);
  if (address) await page.waitForURL(address);
  await settled(page);
}

const shows = (text) => page.getByText(text).first().waitFor();

test("a document tells its story, and one of its fields is restored", async () => {
  await page.goto("/api/console");
  await settled(page);
  await page.keyboard.press("/");
  await page.keyboard.type(zip(12));
  await press("Enter", /document\?id=/);
  assert.match(await page.locator(".diff").innerText(), new RegExp(`"${city(12).toUpperCase()}"`));
  // Mark two versions, and compare them.
  await page.keyboard.press("j");
  await page.keyboard.press("m");
  await page.keyboard.press("j");
  await page.keyboard.press("m");
  await press("x", /with=/);
  assert.match(await page.locator("h2").nth(1).innerText(), /^From .* to /);
  await press("d", (url) => !url.search.includes("with="));
  await press("l", /with=live/);
  await shows("No difference.");
  await press("d", (url) => !url.search.includes("with="));
  // Only the name of the city.
  await tabTo("input[value='/updatedBy']");
  await page.keyboard.press("Space");
  await press("r", /restore\?id=/);
  await shows("This is a plan. Nothing has been written.");
  assert.match(await page.locator("table.items").innerText(), /city_name/);
  await tabTo("input[name=reason]");
  await page.keyboard.type("only the name");
  // The first Enter leads to the button, which says what it does, and writes nothing.
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.innerText), "Merge 1 document in dev/events");
  await shows("Nothing has been written.");
  await page.keyboard.press("Enter");
  await shows("Reason: only the name.");
  await shows("Done.");
  const { city_name, updatedBy } = await app.read(zip(12));
  assert.deepEqual([city_name, updatedBy], [city(12), "release-42"]);
  // Its story has the restore, and the names of those who set the fields.
  await page.goto(`/api/console/document?id=${zip(12)}&view=blame`);
  await settled(page);
  assert.deepEqual(page.problems, []);
});

test("keys lead from the busiest time to the repaired documents", async () => {
  await page.goto("/api/console/find");
  await settled(page);
  await press("b", /chartFrom=/);
  const window = new URL(page.url());
  await press("ArrowLeft", (url) => url.href !== window.href);
  await press("ArrowRight", window.href);
  await press("z", (url) => !url.search.includes("chartFrom="));
  await page.goBack();
  await page.waitForURL(window.href);
  await settled(page);
  // The second row, and back to it.
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await press("Enter", /document\?id=/);
  await press("Escape", window.href);
  const isSecondRow = () => document.activeElement === document.querySelectorAll("main [data-open]")[1];
  await page.waitForFunction(isSecondRow);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await press("r", /restore\?id=/);
  await shows("This is a plan. Nothing has been written.");
  await tabTo("input[name=reason]");
  await page.keyboard.type("release 42");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await shows("Done.");
  await shows("Reason: release 42.");
  const live = await Promise.all([0, 2, 13, 399].map((number) => app.read(zip(number))));
  const names = live.map(({ city_name, phone }) => [city_name, phone]);
  assert.deepEqual(names, [[`${city(0)}, by hand`, "555-0100"], [city(2), "555-0100"], [city(13), undefined], [city(399), undefined]]);
  assert.deepEqual(page.problems, []);
});

test("keys and words are dialogs that say everything, and rows are walked up and down", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const own = await open(app, { bypassCSP: true, colorScheme });
    await own.goto("/api/console/find");
    await settled(own);
    const row = () => own.evaluate(() => [...document.querySelectorAll("[data-open]")].indexOf(document.activeElement));
    const rows = [];
    for (const key of ["j", "j", "j", "k"]) {
      await own.keyboard.press(key);
      rows.push(await row());
    }
    assert.deepEqual(rows, [0, 1, 2, 1]);
    await own.keyboard.press("n");
    await own.waitForURL(/continuation=/);
    await settled(own);
    // Every key of the page is in the list.
    await own.keyboard.press("?");
    const keys = own.getByRole("dialog", { name: "Keys" });
    await keys.waitFor();
    const listed = (await keys.locator("kbd").allInnerTexts()).map((key) => ({ "←": "ArrowLeft", "→": "ArrowRight", Esc: "Escape" })[key] ?? key);
    const used = await own.evaluate(() => [...document.querySelectorAll("[data-key]")].map((element) => element.dataset.key));
    for (const key of [...used, "/", "j", "k", "m", "x", "Enter", "n", "z"]) assert.ok(listed.includes(key), `${key} is not in ${listed}`);
    assert.deepEqual(await violations(own), []);
    await own.keyboard.press("Escape");
    await own.getByRole("button", { name: "Words" }).click();
    const words = own.getByRole("dialog", { name: "Words" });
    await words.waitFor();
    const text = await words.innerText();
    for (const word of ["version", "unknown", "exact", "lease", "lag", "dead letter", "finding", "mode", "undo"]) assert.match(text, new RegExp(`^${word}$`, "m"));
    assert.deepEqual(await violations(own), []);
    await own.keyboard.press("Escape");
    // Times have their UTC on hover.
    const times = await own.locator("main time").evaluateAll((times) => times.map(({ title, dateTime }) => [title, dateTime]));
    assert.ok(times.length > 0 && times.every(([title, utc]) => title === utc && /Z$/.test(utc)), JSON.stringify(times[0]));
    assert.deepEqual(own.problems, []);
    await own.context().close();
  }
});
