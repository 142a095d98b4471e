import assert from "node:assert/strict";
import { it } from "node:test";

import { Beginning, changed, query, randomName, since, topic } from "./sdk.mjs";

export default topic("hierarchical keys", ({ database }) => {
  async function tenants() {
    const partitionKey = { paths: ["/tenant", "/user"], kind: "MultiHash", version: 2 };
    const { container } = await database.containers.create({ id: randomName("container"), partitionKey });
    for (const tenant of ["acme", "umbrella", "initech"]) {
      for (let user = 0; user < 4; user++) {
        for (const id of ["first", "second"]) await container.items.create({ id, tenant, user: `user-${user}` });
      }
    }
    return container;
  }
  const owners = (items) => items.map(({ tenant, user }) => `${tenant} ${user}`);
  const tenantsOf = (items) => items.map(({ tenant }) => tenant);

  it("the definition is stored", async () => {
    const { kind, paths } = (await (await tenants()).read()).resource.partitionKey;
    assert.deepEqual([kind, paths], ["MultiHash", ["/tenant", "/user"]]);
  });

  it("a point read needs the whole key", async () => {
    const container = await tenants();
    const { resource } = await container.item("first", ["acme", "user-2"]).read();
    assert.deepEqual(owners([resource]), ["acme user-2"]);
    assert.equal((await container.item("first", ["acme", "user-9"]).read()).statusCode, 404);
    await container.item("first", ["acme", "user-2"]).delete();
    assert.equal((await container.item("first", ["acme", "user-2"]).read()).statusCode, 404);
    assert.equal((await container.item("first", ["umbrella", "user-2"]).read()).statusCode, 200);
  });

  it("a query of a key or a prefix returns the documents below it", async () => {
    const container = await tenants();
    // The SDK has no option for a prefix; the documentation of the service puts it into the query.
    const prefix = await query(container, "SELECT * FROM c WHERE c.tenant = @tenant", { "@tenant": "acme" });
    assert.deepEqual(tenantsOf(prefix), Array(8).fill("acme"));
    const whole = await query(container, "SELECT * FROM c", {}, { partitionKey: ["acme", "user-1"] });
    assert.deepEqual(owners(whole), Array(2).fill("acme user-1"));
  });

  it("the change feed of a key or a prefix returns the changes below it", since("4.0.0", "has no change feed iterator"), async () => {
    const container = await tenants();
    const whole = await changed(container, Beginning(["initech", "user-3"]));
    assert.deepEqual(owners(whole), Array(2).fill("initech user-3"));
    const prefix = await changed(container, Beginning(["initech"]));
    assert.deepEqual(tenantsOf(prefix), Array(8).fill("initech"));
  });
});
