import assert from "node:assert/strict";
import { it } from "node:test";

import { body, query, randomName, topic } from "./sdk.mjs";

// Resource ids, which are valid in paths wherever names are, and names that are not ASCII.
export default topic("resource ids", ({ client, database, newContainer }) => {
  const bytes = (rid) => Buffer.from(rid.replaceAll("-", "/"), "base64");

  it("the resource ids of an item begin with those of its container", async () => {
    const container = await newContainer();
    const { resource } = await container.items.create({ id: "1", pk: "a" });
    const parents = [database, container].map(async (each) => bytes((await each.read()).resource._rid));
    const [databaseRid, containerRid] = await Promise.all(parents);
    const rid = bytes(resource._rid);
    assert.deepEqual([databaseRid.length, containerRid.length, rid.length], [4, 8, 16]);
    assert.deepEqual(rid.subarray(0, 8), containerRid);
    assert.deepEqual(containerRid.subarray(0, 4), databaseRid);
  });

  it("a container can be addressed by resource id", async () => {
    const container = await newContainer();
    const databaseRid = (await database.read()).resource._rid;
    const containerRid = (await container.read()).resource._rid;
    const byRid = client.database(databaseRid).container(containerRid);
    assert.equal((await byRid.read()).resource?.id, container.id);
  });

  it("names and resource ids can be mixed in one address", async () => {
    const container = await newContainer();
    await container.items.create({ id: "1", pk: "a", number: 1 });
    const databaseRid = (await database.read()).resource._rid;
    const containerRid = (await container.read()).resource._rid;
    for (const [one, other] of [[database.id, containerRid], [databaseRid, container.id]]) {
      const mixed = client.database(one).container(other);
      assert.equal((await mixed.read()).resource?.id, container.id);
      assert.equal((await mixed.item("1", "a").read()).resource?.number, 1);
    }
  });

  it("names of databases and containers may be non-ASCII", async (test) => {
    const { database: other } = await client.databases.create({ id: randomName("Zürich 東京") });
    test.after(() => other.delete());
    const partitionKey = { paths: ["/ключ"], kind: "Hash", version: 2 };
    const { container } = await other.containers.create({ id: "Ζεύς & co", partitionKey });
    await container.items.create({ id: "1", ключ: "東京", "😀": "Zürich" });
    assert.deepEqual(body((await container.item("1", "東京").read()).resource), { id: "1", ключ: "東京", "😀": "Zürich" });
    assert.deepEqual(await query(container, "SELECT VALUE c['😀'] FROM c WHERE c['ключ'] = \"東京\""), ["Zürich"]);
  });
});
