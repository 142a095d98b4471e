// Runs the checks of the JavaScript SDK for Azure Cosmos DB: the topic of every module beside this file.
//
// Topics run at the same time, because time-to-live checks wait most of the time.
//
//     cd <folder with node_modules> && COSMOS_CONNECTION_STRING=... node --test [--test-name-pattern=TEXT] <this file>

import { readdirSync } from "node:fs";
import { describe } from "node:test";

const NOT_CHECKS = ["run.mjs", "sdk.mjs"];
const TOPICS_AT_ONCE = 6;

const names = readdirSync(new URL(".", import.meta.url)).filter((name) => name.endsWith(".mjs") && !NOT_CHECKS.includes(name));
const modules = await Promise.all(names.sort().map((name) => import(new URL(name, import.meta.url))));
describe("JavaScript SDK", { concurrency: TOPICS_AT_ONCE }, () => {
  for (const { default: define } of modules) define();
});
