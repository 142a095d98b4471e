// The story of a wrong release, in the console: from the spike to the repaired documents and back, by mouse. And the rules of accessibility.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { App, RELEASED, city, zip } from "./app.mjs";
import { close, open, settled, violations } from "./browser.mjs";

let app;
let page;
let plan = "restores";

before(async () => {
  app = await App.start("--incident");
});
after(async () => {
  await close();
  await app?.stop();
});
afterEach(async () => {
  const problems = page?.problems ?? [];
  await page?.context().close();
  page = undefined;
  assert.deepEqual(problems, []);
});

// The live documents: the names of cities and the phone numbers.
async function live() {
  const documents = await Promise.all([0, 1, 2, 11, 12, RELEASED - 1].map((number) => app.read(zip(number))));
  return documents.map(({ city_name, phone, updatedBy }) => [city_name, phone, updatedBy]);
}

const upper = (number) => city(number).toUpperCase();
const RELEASE = [
  [`${city(0)}, by hand`, "555-0100", "user"], [`${city(1)}, by hand`, "555-0100", "user"], [upper(2), "555-0100", "user"],
  [upper(11), "555-0100", "user"], [upper(12), undefined, "release-42"], [upper(RELEASED - 1), undefined, "release-42"],
];
const REPAIRED = [
  [`${city(0)}, by hand`, "555-0100", "user"], [`${city(1)}, by hand`, "555-0100", "user"], [city(2), "555-0100", "user"],
  [city(11), "555-0100", "user"], [city(12), undefined, "import"], [city(RELEASED - 1), undefined, "import"],
];

// Waits for a state of the page of a restore.
const shows = (text) => page.getByText(text).first().waitFor();
const tiles = async () => Object.fromEntries((await page.locator(".tile").allInnerTexts()).map((text) => text.split("\n").reverse()));

describe("the wrong release", () => {
  test("three clicks lead from the spike to the plan, and one to the repaired documents, by mouse", async () => {
    page = await open(app);
    await page.goto("/api/console/find");
    await settled(page);
    // Drag over the nine minutes of the spike.
    const bars = page.locator("svg[data-chart] a");
    const labels = await bars.evaluateAll((links) => links.map((link) => link.getAttribute("aria-label")));
    const counts = labels.map((label) => [...label.matchAll(/(?:create|replace) (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0));
    const first = counts.findIndex((count) => count > 20);
    const last = counts.findLastIndex((count) => count > 20);
    const box = async (at) => bars.nth(at).locator(".hit").boundingBox();
    const [from, to] = [await box(first), await box(last)];
    await page.mouse.move(from.x + 3, from.y + 60);
    await page.mouse.down();
    await page.mouse.move(to.x + 3, to.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/chartFrom=/);
    await settled(page);
    const address = new URL(page.url());
    assert.match(address.searchParams.get("from"), /^\d{4}-.*:00Z$/);
    const side = await page.locator("aside").innerText();
    assert.match(side, /city_name\s+\d{3}/);
    assert.match(side, /release-42\s+3\d\d/);
    // A reload shows the same.
    const rows = await page.locator("table.rows tbody tr").allInnerTexts();
    await page.reload();
    await settled(page);
    assert.deepEqual(await page.locator("table.rows tbody tr").allInnerTexts(), rows);
    await page.locator("aside").getByRole("link", { name: "release-42" }).click();
    await page.waitForURL(/actor=release-42/);
    // The whole release: everything that the actor did in the hour.
    await page.getByRole("link", { name: /Show everything/ }).click();
    await page.waitForURL((url) => !url.search.includes("chartFrom"));
    await settled(page);
    await page.getByRole("button", { name: /Undo these changes/ }).click();
    await page.waitForURL(/restore\?id=/);
    await shows("This is a plan. Nothing has been written.");
    assert.deepEqual(await tiles(), { unchanged: "2", replace: "388", merge: "10", unknown: "0", conflict: "0", "RU used": (await tiles())["RU used"] });
    // What needs a decision comes first.
    const [merge] = await page.locator("table.items tbody").allInnerTexts();
    assert.match(merge, /city_name/);
    assert.match(merge, /stays/);
    // Another choice is another plan.
    const planned = page.url();
    plan = new URL(planned).pathname.split("/").at(-1) + new URL(planned).search;
    await page.getByRole("button", { name: "keep as they are" }).click();
    await page.waitForURL((url) => url.href !== planned);
    await page.getByRole("link", { name: "kept 12" }).waitFor();
    assert.equal((await tiles()).kept, "12");
    await page.goBack();
    await page.getByRole("link", { name: "merge 10" }).waitFor();
    await settled(page);
    assert.deepEqual(await live(), RELEASE);
    await page.getByLabel("Reason").fill("release 42");
    await page.getByRole("button", { name: "Replace 388 and merge 10 documents in dev/events" }).click();
    await shows("Done.");
    await shows("Reason: release 42.");
    assert.deepEqual(await live(), REPAIRED);
    // Undo the restore, and the release is back.
    await page.getByRole("button", { name: "Preview the undo" }).click();
    await page.waitForURL((url) => url.href !== planned);
    await page.getByRole("button", { name: "Replace 398 documents in dev/events" }).click();
    await shows("Done.");
    assert.deepEqual(await live(), RELEASE);
  });

  test("without JavaScript, pages are read, and nothing can be written", async () => {
    page = await open(app, { javaScriptEnabled: false });
    await page.goto("/api/views/find");
    await page.getByRole("link", { name: "24 h" }).click();
    await page.getByRole("link", { name: /Busiest time/ }).click();
    assert.match(page.url(), /views\/find\?chartFrom=/);
    assert.equal(await page.getByRole("button", { name: /Undo/ }).count(), 0);
    await page.locator("table.rows tbody a").first().click();
    assert.match(page.url(), /views\/document\?id=/);
    await page.getByRole("link", { name: "Who set what" }).click();
    await page.getByRole("heading", { name: "Who set what" }).waitFor();
  });

  test("the pages have no serious violation of accessibility rules, in light and dark and on a narrow screen", async () => {
    const found = [];
    for (const options of [{}, { colorScheme: "dark" }, { viewport: { width: 360, height: 780 } }]) {
      page = await open(app, { ...options, bypassCSP: true });
      for (const address of ["find", "find?from=1h&actor=release-42", "find?from=noon", "documents", "documents?filter=city_name+starts+with+BO", `document?id=${zip(12)}`, `document?id=${zip(12)}&layout=columns`,
        `document?id=${zip(12)}&view=blame`, `document?id=${zip(12)}&view=whole`, "document?id=none", "restore?id=none", "overview", "restores", "backups", "verifications", "dead-letters", "nothing", plan]) {
        await page.goto(`/api/console/${address}`);
        await settled(page);
        for (const violation of await violations(page)) found.push(`${JSON.stringify(options)} ${address}: ${violation}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) found.push(`${JSON.stringify(options)} ${address}: ${overflow} pixels too wide`);
      }
      if (page.problems.length) found.push(...page.problems);
      await page.context().close();
    }
    page = undefined;
    assert.deepEqual(found, []);
  });
});
