import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import {
  Beginning,
  changed,
  changePages,
  Continuation,
  ids,
  itemName,
  itemNames,
  Now,
  since,
  Time,
  topic,
} from "./sdk.mjs";

export default topic("change feed", ({ filledContainer, newContainer }) => {
  const ascending = (numbers) => numbers.every((number, index) => index === 0 || numbers[index - 1] < number);

  it("from the beginning every document is returned once in its latest version", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(20);
    for (let number = 100; number < 103; number++) {
      await container.items.upsert({ id: itemName(4), pk: "key-4", number });
    }
    await container.item(itemName(5), "key-5").delete();
    const changes = await changed(container, Beginning());
    assert.deepEqual(
      ids(changes),
      itemNames(20).filter((id) => id !== itemName(5)),
    );
    const { resource } = await container.item(itemName(4), "key-4").read();
    const { _lsn, ...change } = changes.find((item) => item.id === itemName(4));
    assert.equal(change.number, 102);
    assert.deepEqual(change, resource);
  });

  it("from now only later changes are returned", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(10);
    const { pages, continuation } = await changePages(container, Now());
    assert.deepEqual(pages, []);
    await container.items.create({ id: "later", pk: "key-1" });
    await container.items.upsert({ id: itemName(2), pk: "key-2", number: -1 });
    assert.deepEqual(ids(await changed(container, Continuation(continuation))), [itemName(2), "later"]);
  });

  it("a continuation returns the changes since then", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(10);
    const { continuation } = await changePages(container, Beginning());
    assert.deepEqual(await changed(container, Continuation(continuation)), []);
    for (let number = 10; number < 15; number++) {
      await container.items.create({ id: itemName(number), pk: `key-${number}` });
    }
    const next = await changePages(container, Continuation(continuation));
    assert.deepEqual(ids(next.pages.flat()), itemNames(15).slice(10));
    assert.deepEqual(await changed(container, Continuation(next.continuation)), []);
  });

  it("reading can stop after any page and resume", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(30);
    const options = { maxItemCount: 4, changeFeedStartFrom: Beginning() };
    const { result, continuationToken } = await container.items.getChangeFeedIterator(options).readNext();
    const rest = await changed(container, Continuation(continuationToken), { maxItemCount: 4 });
    assert.deepEqual(ids([...result, ...rest]), itemNames(30));
  });

  it("from a time only changes since then are returned", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(5);
    await sleep(2100);
    const moment = new Date();
    await sleep(1100);
    await container.items.create({ id: "later", pk: "key-1" });
    assert.deepEqual(ids(await changed(container, Time(moment))), ["later"]);
  });

  it("a page has at most a hundred items by default", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(250, 1);
    const { pages } = await changePages(container, Beginning());
    assert.ok(Math.max(...pages.map((page) => page.length)) <= 100);
    assert.deepEqual(ids(pages.flat()), itemNames(250));
  });

  it("a page has at most the requested number of items", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(50);
    const { pages } = await changePages(container, Beginning(), { maxItemCount: 7 });
    assert.ok(Math.max(...pages.map((page) => page.length)) <= 7);
    assert.deepEqual(ids(pages.flat()), itemNames(50));
  });

  it("feed ranges divide the container", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(60);
    const ranges = await container.getFeedRanges();
    const bounds = ranges.flatMap(({ minInclusive, maxExclusive }) => [minInclusive, maxExclusive]);
    assert.deepEqual([bounds.at(0), bounds.at(-1)], ["", "FF"]);
    assert.equal(new Set(bounds).size, ranges.length + 1);
    const changes = [];
    for (const range of ranges) changes.push(...(await changed(container, Beginning(range))));
    assert.deepEqual(ids(changes), itemNames(60));
  });

  it("log sequence numbers increase within a feed range", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(60);
    await container.items.upsert({ id: itemName(0), pk: "key-0", number: 100 });
    for (const range of await container.getFeedRanges()) {
      const changes = await changed(container, Beginning(range), { maxItemCount: 5 });
      const sequence = changes.map((item) => item._lsn);
      assert.ok(sequence.every(Number.isSafeInteger) && ascending(sequence), String(sequence));
    }
  });

  it("changes of one key are returned in the order of the writes", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await filledContainer(30, 3);
    await container.items.upsert({ id: itemName(1), pk: "key-1", number: 100 });
    const changes = await changed(container, Beginning("key-1"));
    assert.deepEqual(
      changes.map((item) => item.number),
      [4, 7, 10, 13, 16, 19, 22, 25, 28, 100],
    );
    assert.ok(ascending(changes.map((item) => item._lsn)));
  });

  it("a property _lsn of the document is replaced by the number of the change", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", _lsn: "own" });
    const [change] = await changed(container, Beginning());
    assert.ok(Number.isSafeInteger(change._lsn), String(change._lsn));
    assert.equal((await container.item("1", "a").read()).resource._lsn, "own");
  });

  it("a point read has no log sequence number", async () => {
    const container = await filledContainer(1);
    assert.ok(!("_lsn" in (await container.item(itemName(0), "key-0").read()).resource));
  });

  it("the older iterator returns the same changes", async () => {
    const container = await filledContainer(10, 1);
    const iterator = container.items.changeFeed("key-0", { startFromBeginning: true, maxItemCount: 4 });
    const changes = [];
    while (iterator.hasMoreResults) {
      const { result } = await iterator.fetchNext();
      if (!result?.length) break;
      changes.push(...result);
    }
    assert.deepEqual(ids(changes), itemNames(10));
  });
});
