// Chromium for the tests of the console.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.CONSOLE_MODULES ?? process.cwd()}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

let browser;

function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
}

// A new page in a context of its own. A message of the console, a failed script or a request to another host fails the test.
export async function open(app, options = {}) {
  browser ??= await launch();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: "Europe/Berlin", baseURL: app.origin, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // A refused request is part of some tests.
    if (message.type() === "error" && !message.text().includes("the server responded with a status of")) page.problems.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(app.origin)) page.problems.push(`request to ${request.url()}`);
  });
  page.setDefaultTimeout(20_000);
  return page;
}

// An empty page.
export async function blank() {
  browser ??= await launch();
  return (await browser.newContext()).newPage();
}

export async function close() {
  await browser?.close();
  browser = undefined;
}

// Waits until the page shows what its address names.
export async function settled(page) {
  await page.waitForFunction(() => {
    const isShown = document.querySelector("main .view, main [data-final]") && !document.querySelector("main[aria-busy]");
    // Forms that write are shown when it is known what the key may do.
    return isShown && (!document.querySelector("[data-writes]") || document.documentElement.dataset.access);
  });
}

// The violations of accessibility rules that axe-core finds serious or critical.
export async function violations(page) {
  // The policy of the page forbids scripts within it; one that the test adds is run outside of the policy.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const bad = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return bad.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
}
