import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, body, since, topic } from "./sdk.mjs";

const noPatch = since("3.13.0", "has no patch");

export default topic("patches", ({ newContainer }) => {
  async function stored(document) {
    const container = await newContainer();
    const { resource } = await container.items.create({ id: "1", pk: "a", ...document });
    return { container, before: resource };
  }

  /** The document, stored and patched, as a read returns it. */
  async function patched(document, operations, condition) {
    const { container } = await stored(document);
    await container.item("1", "a").patch(condition ? { operations, condition } : operations);
    const { id, pk, ...rest } = body((await container.item("1", "a").read()).resource);
    return rest;
  }

  /** The patch must fail with this status and change nothing. */
  async function assertPatchRejected(status, document, operations, condition) {
    const { container, before } = await stored(document);
    await assertRejected(status, container.item("1", "a").patch(condition ? { operations, condition } : operations));
    assert.deepEqual((await container.item("1", "a").read()).resource, before);
  }

  const operation = (op, path, value) => ({ op, path, value });

  it("add creates or replaces a property", noPatch, async () => {
    const add = [operation("add", "/new", { x: 1 }), operation("add", "/old", 2)];
    assert.deepEqual(await patched({ old: 1 }, add), { new: { x: 1 }, old: 2 });
  });

  it("add inserts into an array or appends", noPatch, async () => {
    const add = [operation("add", "/list/1", "x"), operation("add", "/list/-", "end")];
    assert.deepEqual(await patched({ list: ["a", "b"] }, add), { list: ["a", "x", "b", "end"] });
  });

  it("set creates or replaces and overwrites an element", noPatch, async () => {
    const set = [operation("set", "/new", null), operation("set", "/deep/x", 2), operation("set", "/list/0", "x")];
    const expected = { new: null, deep: { x: 2 }, list: ["x", "b"] };
    assert.deepEqual(await patched({ deep: { x: 1 }, list: ["a", "b"] }, set), expected);
  });

  it("replace changes an existing property", noPatch, async () => {
    assert.deepEqual(await patched({ x: 1 }, [operation("replace", "/x", [2])]), { x: [2] });
  });

  it("remove deletes a property or an element", noPatch, async () => {
    const remove = [{ op: "remove", path: "/x" }, { op: "remove", path: "/list/0" }];
    assert.deepEqual(await patched({ x: 1, list: ["a", "b"] }, remove), { list: ["b"] });
  });

  it("increment adds to a number", noPatch, async () => {
    assert.deepEqual(await patched({ n: 1, f: 1.5 }, [operation("incr", "/n", 5), operation("incr", "/f", -0.5)]), { n: 6, f: 1 });
  });

  it("increment of a missing property creates it", noPatch, async () => {
    assert.deepEqual(await patched({}, [operation("incr", "/n", 7)]), { n: 7 });
  });

  it("move takes a value to another path", noPatch, async () => {
    assert.deepEqual(await patched({ x: { y: 1 } }, [{ op: "move", from: "/x/y", path: "/z" }]), { x: {}, z: 1 });
  });

  it("names with slash and tilde are escaped", noPatch, async () => {
    assert.deepEqual(await patched({ "a/b": 1 }, [operation("set", "/a~1b", 2)]), { "a/b": 2 });
  });

  it("names and values may be non-ASCII", noPatch, async () => {
    assert.deepEqual(await patched({}, [operation("add", "/東京", "Ζ😀")]), { 東京: "Ζ😀" });
  });

  it("replace of a missing property is rejected with 400", noPatch, async () => {
    await assertPatchRejected(400, {}, [operation("replace", "/x", 1)]);
  });

  it("remove of a missing property is rejected with 400", noPatch, async () => {
    await assertPatchRejected(400, {}, [{ op: "remove", path: "/x" }]);
  });

  it("add below a missing parent is rejected with 400", noPatch, async () => {
    await assertPatchRejected(400, {}, [operation("add", "/x/y", 1)]);
  });

  it("add beyond the end of an array is rejected with 400", noPatch, async () => {
    await assertPatchRejected(400, { list: ["a"] }, [operation("add", "/list/5", 1)]);
  });

  it("increment of text is rejected with 400", noPatch, async () => {
    await assertPatchRejected(400, { x: "1" }, [operation("incr", "/x", 1)]);
  });

  it("a patch of the id, a key or a system property is rejected with 400", noPatch, async () => {
    for (const path of ["/id", "/pk", "/_ts", "/_etag", "/_rid"]) {
      await assertPatchRejected(400, {}, [operation("set", path, "x")]);
    }
  });

  it("more than ten operations are rejected with 400", noPatch, async () => {
    const operations = Array.from({ length: 11 }, (_, number) => operation("set", `/n${number}`, number));
    await assertPatchRejected(400, {}, operations);
  });

  it("a failing operation undoes the ones before it", noPatch, async () => {
    await assertPatchRejected(400, {}, [operation("set", "/x", 1), { op: "remove", path: "/missing" }]);
  });

  it("a condition that is true applies the patch", noPatch, async () => {
    assert.deepEqual(await patched({ x: 1 }, [operation("set", "/x", 2)], "from c where c.x = 1"), { x: 2 });
  });

  it("a condition that is false rejects the patch with 412", noPatch, async () => {
    await assertPatchRejected(412, { x: 1 }, [operation("set", "/x", 2)], "from c where c.x = 2");
    await assertPatchRejected(412, { x: 1 }, [operation("set", "/x", 2)], "from c where c.missing > 0");
  });

  it("a patch of a missing item returns 404", noPatch, async () => {
    const container = await newContainer();
    await assertRejected(404, container.item("1", "a").patch([operation("set", "/x", 1)]));
  });

  it("a patch with a stale etag is rejected with 412", noPatch, async () => {
    const { container, before } = await stored({});
    await container.items.upsert({ id: "1", pk: "a", x: 1 });
    const stale = { accessCondition: { type: "IfMatch", condition: before._etag } };
    await assertRejected(412, container.item("1", "a").patch([operation("set", "/x", 2)], stale));
    assert.equal((await container.item("1", "a").read()).resource.x, 1);
  });

  it("a patch changes the etag and returns the document", noPatch, async () => {
    const { container, before } = await stored({ x: 1 });
    const { resource } = await container.item("1", "a").patch([operation("incr", "/x", 1)]);
    assert.equal(resource.x, 2);
    assert.notEqual(resource._etag, before._etag);
    assert.equal(resource._rid, before._rid);
    assert.deepEqual((await container.item("1", "a").read()).resource, resource);
  });

  it("a batch may patch", since("3.14.0", "has no batches"), async () => {
    const { container } = await stored({ x: 1 });
    const change = { operationType: "Patch", id: "1", resourceBody: { operations: [operation("incr", "/x", 2)] } };
    const { result } = await container.items.batch([change, { operationType: "Read", id: "1" }], "a");
    assert.deepEqual(
      result.map(({ statusCode, resourceBody }) => [statusCode, resourceBody.x]),
      [[200, 3], [200, 3]],
    );
  });

  it("a condition of a patch in a batch fails the batch", since("3.14.0", "has no batches"), async () => {
    const { container } = await stored({ x: 1 });
    const resourceBody = { operations: [operation("set", "/x", 2)], condition: "from c where c.x > 1" };
    const create = { operationType: "Create", resourceBody: { id: "2", pk: "a" } };
    const { result } = await container.items.batch([create, { operationType: "Patch", id: "1", resourceBody }], "a");
    assert.deepEqual(
      result.map(({ statusCode }) => statusCode),
      [424, 412],
    );
    assert.equal((await container.item("1", "a").read()).resource.x, 1);
  });

  it("bulk may patch", since("4.3.0", "has no executeBulkOperations"), async () => {
    const { container } = await stored({ x: 1 });
    const resourceBody = { operations: [operation("incr", "/x", 2)] };
    const results = await container.items.executeBulkOperations([
      { operationType: "Patch", id: "1", partitionKey: "a", resourceBody },
    ]);
    assert.equal(results[0].response.statusCode, 200);
    assert.equal((await container.item("1", "a").read()).resource.x, 3);
  });
});
