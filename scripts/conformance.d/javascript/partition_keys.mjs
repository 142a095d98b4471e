import assert from "node:assert/strict";
import { it } from "node:test";

import { Beginning, body, changed, NO_KEY, query, since, topic } from "./sdk.mjs";

export default topic("partition keys", ({ newContainer }) => {
  const KEYS = {
    text: "1",
    empty: "",
    unicode: '東京 "x"',
    number: 1,
    fraction: -1.5,
    zero: 0,
    true: true,
    false: false,
    null: null,
  };

  it("partition keys of different kinds are distinct", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await newContainer();
    for (const [kind, pk] of Object.entries(KEYS)) await container.items.create({ id: "same", pk, kind });
    await container.items.create({ id: "same", kind: "none" });
    for (const [kind, key] of Object.entries({ ...KEYS, none: NO_KEY })) {
      assert.equal((await container.item("same", key).read()).resource?.kind, kind);
      const found = await query(container, "SELECT VALUE c.kind FROM c", {}, { partitionKey: key });
      assert.deepEqual(found, [kind], `query of ${kind}`);
      const changes = await changed(container, Beginning(key));
      assert.deepEqual(
        changes.map((item) => item.kind),
        [kind],
        `change feed of ${kind}`,
      );
    }
  });

  it("a document without a partition key can be replaced and deleted", async () => {
    const container = await newContainer("/deep/key");
    await container.items.create({ id: "1", deep: {} });
    await container.items.upsert({ id: "1", number: 2 });
    assert.deepEqual(body((await container.item("1").read()).resource), { id: "1", number: 2 });
    assert.equal((await container.item("1", null).read()).statusCode, 404);
    await container.item("1", NO_KEY).delete();
    assert.deepEqual(await query(container, "SELECT * FROM c"), []);
  });
});
