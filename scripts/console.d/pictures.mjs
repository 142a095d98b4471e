// The pictures of the documentation: pages of the console with the incident of `changefeed local --incident`, with fixed times.
//
//     scripts/console --pictures

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { App, zip } from "./app.mjs";
import { close, open, settled } from "./browser.mjs";

export const folder = fileURLToPath(new URL("../../docs/images", import.meta.url));

// In pictures, the wrong release began at this time.
const RELEASE = "2026-11-26T10:31:40";
// The name of the zone that pictures show. The browser has another one, in which it is about noon, so that a window of an hour lies within one day.
const SHOWN_ZONE = "Europe/Berlin (UTC+01:00)";
const BEFORE_NOON = 12 - new Date().getUTCHours() || 1;
const ZONE = `Etc/GMT${BEFORE_NOON > 0 ? "-" : "+"}${Math.abs(BEFORE_NOON)}`;

export const PICTURES = ["console-find", "console-document", "console-plan"];

// Moves every time that a page shows by so many seconds, and every date by so many days, and names another zone.
function shiftTimes({ seconds, days, zone }) {
  const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
  const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const two = (number) => String(number).padStart(2, "0");
  const moved = (date) => new Date(date.getTime() + days * 86_400_000);
  const clock = (_, hours, minutes, rest) => {
    const second = (((hours * 60 + Number(minutes)) * 60 + Number(rest ?? 0) + seconds) % 86_400 + 86_400) % 86_400;
    const shown = `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}`;
    return rest === undefined ? shown : `${shown}:${two(second % 60)}`;
  };
  const shifted = (text) => text
    .replace(/Etc\/GMT[+-]\d+ \(UTC[+-][\d:]+\)/, zone)
    .replace(/(\d{4})-(\d\d)-(\d\d)/g, (_, year, month, day) => moved(new Date(Date.UTC(year, month - 1, day))).toISOString().slice(0, 10))
    .replace(/(?:(\w+day) )?(\d{1,2}) ([A-Z][a-z]{2,8})( \d{4})?(?=\W|$)/g, (whole, weekday, day, month, year) => {
      const number = MONTHS.findIndex((name) => name === month || name.slice(0, 3) === month);
      if (number < 0) return whole;
      const date = moved(new Date(Date.UTC(year ? Number(year) : new Date().getFullYear(), number, day)));
      const name = MONTHS[date.getUTCMonth()];
      return `${weekday ? `${DAYS[date.getUTCDay()]} ` : ""}${date.getUTCDate()} ${month === MONTHS[number] ? name : name.slice(0, 3)}${year ? ` ${date.getUTCFullYear()}` : ""}`;
    })
    .replace(/(?<!UTC[+-])\b(\d\d):(\d\d)(?::(\d\d))?\b/g, clock);
  const main = document.querySelector("main");
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (!node.parentElement.closest(".diff, .items")) node.data = shifted(node.data);
  }
  for (const input of main.querySelectorAll("input")) input.value = shifted(input.value);
}

// Takes the pictures, and returns them by their names.
export async function take() {
  const app = await App.start("--incident");
  const taken = {};
  try {
    const page = await open(app, { viewport: { width: 1280, height: 800 }, timezoneId: ZONE, colorScheme: "light" });
    const { items } = await app.api("history/changes?from=1h&actor=release-42&order=oldest&maxItems=1");
    const picture = async (name) => {
      await settled(page);
      await page.locator("#health a").waitFor();
      const local = (second) => new Date(new Date(second * 1000).toLocaleString("sv", { timeZone: ZONE }).replace(" ", "T") + "Z");
      const [now, then] = [local(items[0].sourceTs), new Date(`${RELEASE}Z`)];
      const days = Math.round((then.setUTCHours(0, 0, 0, 0) - new Date(now).setUTCHours(0, 0, 0, 0)) / 86_400_000);
      const seconds = Math.round((new Date(`${RELEASE}Z`) - now) / 1000) % 86_400;
      await page.evaluate(shiftTimes, { seconds, days, zone: SHOWN_ZONE });
      await page.evaluate(() => document.activeElement?.blur());
      taken[name] = await page.screenshot();
    };
    await page.goto("/api/console/find?from=1h");
    await settled(page);
    await page.keyboard.press("b");
    await page.waitForURL(/chartFrom/);
    await picture("console-find");
    const { items: versions } = await app.api(`history/versions?id=${zip(5)}&pk=${zip(5)}`);
    await page.goto(`/api/console/document?id=${zip(5)}&pk=${zip(5)}&version=${versions[1].id}`);
    await picture("console-document");
    await page.goto("/api/console/find?from=1h&actor=release-42");
    await settled(page);
    await page.keyboard.press("r");
    await page.getByText("This is a plan.").waitFor();
    await picture("console-plan");
  } finally {
    await close();
    await app.stop();
  }
  return taken;
}

// How different two pictures are, from 0 to 1: the mean difference of the brightness of small squares, so that fonts hardly matter.
export async function difference(page, one, other) {
  const urls = [one, other].map((png) => `data:image/png;base64,${png.toString("base64")}`);
  return page.evaluate(async (urls) => {
    const SQUARE = 16;
    const squares = await Promise.all(urls.map(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      const [width, height] = [Math.round(image.width / SQUARE), Math.round(image.height / SQUARE)];
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, width, height);
      return { width, height, data: context.getImageData(0, 0, width, height).data };
    }));
    const [first, second] = squares;
    if (first.width !== second.width || first.height !== second.height) return 1;
    let sum = 0;
    for (let at = 0; at < first.data.length; at++) sum += Math.abs(first.data[at] - second.data[at]);
    return sum / first.data.length / 255;
  }, urls);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  mkdirSync(folder, { recursive: true });
  for (const [name, png] of Object.entries(await take())) {
    writeFileSync(`${folder}/${name}.png`, png);
    console.log(`docs/images/${name}.png: ${png.length} bytes`);
  }
}
