import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, since, topic } from "./sdk.mjs";

// Unique keys hold within one partition key.
export default topic("unique keys", ({ newContainer }) => {
  const uniqueContainer = (...paths) => newContainer("/pk", { uniqueKeyPolicy: { uniqueKeys: [{ paths }] } });

  it("the policy is stored", async () => {
    const container = await uniqueContainer("/mail", "/deep/name");
    const { uniqueKeyPolicy } = (await container.read()).resource;
    assert.deepEqual(uniqueKeyPolicy.uniqueKeys[0].paths, ["/mail", "/deep/name"]);
  });

  it("a second document of the same value is rejected with 409", async () => {
    const container = await uniqueContainer("/mail");
    await container.items.create({ id: "1", pk: "a", mail: "x@example.com" });
    await assertRejected(409, container.items.create({ id: "2", pk: "a", mail: "x@example.com" }));
    await assertRejected(409, container.items.upsert({ id: "2", pk: "a", mail: "x@example.com" }));
    await container.items.create({ id: "3", pk: "a", mail: "y@example.com" });
  });

  it("the same value is allowed under another partition key", async () => {
    const container = await uniqueContainer("/mail");
    await container.items.create({ id: "1", pk: "a", mail: "x@example.com" });
    await container.items.create({ id: "2", pk: "b", mail: "x@example.com" });
  });

  it("all paths of a key together must be unique", async () => {
    const container = await uniqueContainer("/first", "/last");
    await container.items.create({ id: "1", pk: "a", first: "Ada", last: "X" });
    await container.items.create({ id: "2", pk: "a", first: "Ada", last: "Y" });
    await assertRejected(409, container.items.create({ id: "3", pk: "a", first: "Ada", last: "Y" }));
  });

  it("one document of a partition key may lack the value", async () => {
    const container = await uniqueContainer("/mail");
    await container.items.create({ id: "1", pk: "a" });
    await assertRejected(409, container.items.create({ id: "2", pk: "a" }));
  });

  it("a replace into a conflict is rejected and a delete frees the value", async () => {
    const container = await uniqueContainer("/mail");
    await container.items.create({ id: "1", pk: "a", mail: "x" });
    await container.items.create({ id: "2", pk: "a", mail: "y" });
    await assertRejected(409, container.item("2", "a").replace({ id: "2", pk: "a", mail: "x" }));
    await container.item("2", "a").replace({ id: "2", pk: "a", mail: "y", again: true });
    await container.item("1", "a").delete();
    await container.item("2", "a").replace({ id: "2", pk: "a", mail: "x" });
  });

  it("a patch into a conflict is rejected with 409", since("3.13.0", "has no patch"), async () => {
    const container = await uniqueContainer("/mail");
    await container.items.create({ id: "1", pk: "a", mail: "x" });
    await container.items.create({ id: "2", pk: "a", mail: "y" });
    await assertRejected(409, container.item("2", "a").patch([{ op: "set", path: "/mail", value: "x" }]));
  });
});
