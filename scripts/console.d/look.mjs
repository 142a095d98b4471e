// Writes pictures of the pages, for people who change them.
//
//     cd target/console && node ../../scripts/console.d/look.mjs <folder for the pictures>

import { mkdirSync } from "node:fs";
import { App } from "./app.mjs";
import { close, open, settled } from "./browser.mjs";

const folder = process.argv[2] ?? "pictures";
mkdirSync(folder, { recursive: true });
const app = await App.start("--incident");
let plan;
try {
  // A document whose parts moved.
  const stop = (city) => ({ city, open: true, zip: 28036, note: `a stop in ${city}` });
  const stops = ["Boone", "Cary", "Durham", "Raleigh"].map(stop);
  await app.put({ id: "moved", pk: "moved", name: "Davidson", tags: ["a", "b", "c"], stops, updatedBy: "ana" });
  await app.untilCaptured();
  await app.put({ id: "moved", pk: "moved", city: "Davidson", tags: ["c", "a", "b"], stops: [...stops.slice(1, 3), { ...stops[3], open: false }, stops[0]], updatedBy: "bob" });
  await app.untilCaptured();
  for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }], ["narrow", { viewport: { width: 360, height: 780 } }]]) {
    const page = await open(app, options);
    const picture = (what) => page.screenshot({ path: `${folder}/${what}-${name}.png`, fullPage: name === "narrow" });
    await page.goto("/api/console/find");
    await settled(page);
    await picture("find");
    await page.keyboard.press("b");
    await page.waitForURL(/chartFrom/);
    await settled(page);
    await picture("window");
    await page.goto("/api/console/document?id=27011");
    await settled(page);
    await picture("document");
    await page.goto("/api/console/document?id=27011&layout=columns");
    await settled(page);
    await picture("side");
    await page.goto("/api/console/document?id=27011&view=blame");
    await settled(page);
    await picture("blame");
    if (name === "light") {
      await page.goto("/api/console/find?from=1h&actor=release-42");
      await settled(page);
      await page.keyboard.press("r");
      await page.getByText("This is a plan.").waitFor();
      plan = page.url();
    }
    for (const address of ["overview", "restores", "documents", "documents?filter=city_name+starts+with+DA", "document?id=moved"]) {
      await page.goto(`/api/console/${address}`);
      await settled(page);
      await picture(address.replace(/[?=].*/, (query) => (query.includes("filter") ? "-found" : "-moved")));
    }
    await page.goto(plan);
    await settled(page);
    await page.waitForTimeout(500);
    await picture("plan");
    if (page.problems.length) console.log(name, page.problems);
    await page.context().close();
  }
} finally {
  await close();
  await app.stop();
}
