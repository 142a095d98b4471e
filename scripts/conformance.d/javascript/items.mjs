import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, Beginning, body, changed, ids, query, since, SYSTEM_PROPERTIES, topic } from "./sdk.mjs";

export default topic("items", ({ newContainer }) => {
  it("a created item is read back with its system properties", async () => {
    const container = await newContainer();
    const item = { id: "1", pk: "a", name: "Davidson" };
    const created = await container.items.create({ ...item });
    assert.equal(created.statusCode, 201);
    for (const name of SYSTEM_PROPERTIES) assert.ok(name in created.resource, name);
    assert.ok(Math.abs(created.resource._ts - Date.now() / 1000) < 60);
    const read = await container.item("1", "a").read();
    assert.equal(read.statusCode, 200);
    assert.deepEqual(body(read.resource), item);
    assert.deepEqual(read.resource, created.resource);
  });

  it("a second create returns 409 and changes nothing", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await assertRejected(409, container.items.create({ id: "1", pk: "a", number: 2 }));
    assert.equal((await container.item("1", "a").read()).resource.number, 1);
  });

  it("upsert returns 201 for a create and 200 for a replace", async () => {
    const container = await newContainer();
    const first = await container.items.upsert({ id: "1", pk: "a", number: 1 });
    const second = await container.items.upsert({ id: "1", pk: "a", other: 2 });
    assert.deepEqual([first.statusCode, second.statusCode], [201, 200]);
    assert.notEqual(first.etag, second.etag);
    assert.equal(first.resource._rid, second.resource._rid);
    assert.deepEqual(body((await container.item("1", "a").read()).resource), { id: "1", pk: "a", other: 2 });
  });

  it("replace overwrites the whole document", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    const replaced = await container.item("1", "a").replace({ id: "1", pk: "a", other: 2 });
    assert.equal(replaced.statusCode, 200);
    assert.deepEqual(body((await container.item("1", "a").read()).resource), { id: "1", pk: "a", other: 2 });
  });

  it("a deleted item returns 404", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a" });
    assert.equal((await container.item("1", "a").delete()).statusCode, 204);
    const read = await container.item("1", "a").read();
    assert.deepEqual([read.statusCode, read.resource], [404, undefined]);
  });

  it("a missing item cannot be read, replaced or deleted", async () => {
    const container = await newContainer();
    assert.equal((await container.item("1", "a").read()).statusCode, 404);
    await assertRejected(404, container.item("1", "a").replace({ id: "1", pk: "a" }));
    await assertRejected(404, container.item("1", "a").delete());
  });

  it("the same id in two partitions is two items", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.items.create({ id: "1", pk: "b", number: 2 });
    await container.item("1", "a").delete();
    assert.equal((await container.item("1", "b").read()).resource.number, 2);
  });

  it("values of every kind are returned unchanged", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer();
    const item = {
      id: "1",
      pk: "a",
      unicode: 'Zürich, Ελλάδα, 東京, \u{1f600}, e\u0301, \u2028, "quoted" \\ / \b\f\n\r\t',
      empty: { text: "", object: {}, array: [], null: null },
      nested: { a: { b: [{ c: [[1, [2]], { d: null }] }] } },
      numbers: [0, -1, 1.5, 0.1, -273.15, 1e-7, Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER],
      booleans: [true, false],
      times: ["2020-06-23T15:33:27.8120000Z", "2020-06-23T17:33:27+02:00", "2020-06-23"],
      names: { "with space": 1, "dot.ted": 2, $dollar: 3, "[0]": 4, ключ: 5, 'a"b': 6 },
      long: "x".repeat(100_000),
    };
    await container.items.create({ ...item });
    assert.deepEqual(body((await container.item("1", "a").read()).resource), item);
    assert.deepEqual((await query(container, "SELECT * FROM c")).map(body), [item]);
    assert.deepEqual((await changed(container, Beginning())).map(body), [item]);
  });

  it("ids may contain any letters", async () => {
    const container = await newContainer();
    for (const id of ["naïve", "東京", "\u{1f600}", "two words", "a+b", "a&b=c", "a:b@c", "(a)", "x".repeat(255)]) {
      await container.items.create({ id, pk: id });
      assert.equal((await container.item(id, id).read()).resource?.id, id);
    }
  });
});
