// Measures how soon each page of the console is painted, and how soon it shows its content, over loopback. Not a test: it needs an idle machine
// and an executable that is built with --release (CHANGEFEED=target/release/changefeed).
//
//     scripts/console --bench [number of versions, default 300000]

import { App, until } from "./app.mjs";
import { close, open, settled } from "./browser.mjs";

const MOST_MS = 200;
const ROUNDS = 5;
const CAPTURE_MS = 1_800_000;
const count = Number(process.argv[2] ?? 300_000);

const middle = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];
const app = await App.start("--populate", String(count), "--seed", "1");
let isSlow = false;
try {
  await until("everything is captured", async () => {
    const { leases } = await app.api("status");
    const capture = leases.filter(({ feed }) => feed === "capture");
    return capture.length > 0 && capture.every(({ lag }) => lag === 0);
  }, CAPTURE_MS);
  const page = await open(app);
  console.log(`${count} documents were written. Milliseconds until the first paint, and until the content is shown (the middle of ${ROUNDS}):`);
  for (const address of ["overview", "find?from=1h", "documents?filter=city_name=Davidson", "document?id=28036", "document?id=28036&view=blame", "jobs", "restores", "backups", "verifications", "dead-letters"]) {
    const [paints, contents] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      await page.goto(`/api/console/${address}`);
      await settled(page);
      const [paint, content] = await page.evaluate(() => [
        performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
        performance.getEntriesByType("resource").filter(({ name }) => name.includes("/api/views/") && !name.endsWith("/health")).at(-1)?.responseEnd ?? 0,
      ]);
      paints.push(paint);
      contents.push(content);
    }
    isSlow ||= middle(paints) > MOST_MS;
    console.log(`${address.padEnd(40)} ${String(Math.round(middle(paints))).padStart(6)} ${String(Math.round(middle(contents))).padStart(6)}`);
  }
} finally {
  await close();
  await app.stop();
}
if (isSlow) {
  console.error(`A page is painted later than after ${MOST_MS} ms.`);
  process.exitCode = 1;
}
