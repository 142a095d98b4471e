// The pictures of the documentation show the console as it is.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { after, test } from "node:test";
import { blank, close } from "./browser.mjs";
import { PICTURES, difference, folder, take } from "./pictures.mjs";

// Of two pictures of one page with other fonts, and of two pages.
const MOST = 0.02;
const MOST_BYTES = 200_000;

const stored = (name) => readFileSync(`${folder}/${name}.png`);

after(close);

test("the pictures of the documentation show the console as it is; scripts/console --pictures writes them", async () => {
  const taken = await take();
  const page = await blank();
  const [find, document] = [stored("console-find"), stored("console-document")];
  assert.equal(await difference(page, find, find), 0);
  assert.ok((await difference(page, find, document)) > MOST, "two pages are not taken for each other");
  for (const name of PICTURES) {
    const found = await difference(page, stored(name), taken[name]);
    assert.ok(found <= MOST, `docs/images/${name}.png: difference ${found}; write it again with scripts/console --pictures`);
    assert.ok(statSync(`${folder}/${name}.png`).size < MOST_BYTES, `docs/images/${name}.png is large`);
  }
});
