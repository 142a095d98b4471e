import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, connect, itemName, sdk, topic } from "./sdk.mjs";

export default topic("sessions", ({ database, newContainer, filledContainer, responses }) => {
  it("every write and read returns a session token", async () => {
    const container = await newContainer();
    const written = await container.items.create({ id: "1", pk: "a" });
    const read = await container.item("1", "a").read();
    for (const { headers } of [written, read]) assert.match(headers["x-ms-session-token"], /^[0-9]+:.+/);
  });

  it("a write names the resource id of its container", async () => {
    const container = await newContainer();
    const { headers } = await container.items.create({ id: "1", pk: "a" });
    assert.equal(headers["x-ms-content-path"], (await container.read()).resource._rid);
  });

  it("the token of a write is accepted from another client", async () => {
    const container = await newContainer();
    const { headers } = await container.items.create({ id: "1", pk: "a", number: 1 });
    const [other] = connect();
    const item = other.database(database.id).container(container.id).item("1", "a");
    assert.equal((await item.read({ sessionToken: headers["x-ms-session-token"] })).resource.number, 1);
    other.dispose?.();
  });

  it("an empty session token counts as none", async () => {
    const container = await filledContainer(1);
    const { resource } = await container.item(itemName(0), "key-0").read({ initialHeaders: { "x-ms-session-token": "" } });
    assert.equal(resource.number, 0);
  });

  it("a session token that is not one is rejected with 400", async () => {
    const container = await filledContainer(1);
    await assertRejected(400, container.item(itemName(0), "key-0").read({ sessionToken: "no token" }));
  });

  it("a wrong account key is rejected with 401", async () => {
    const [wrong] = connect({ key: "d3Jvbmc=" });
    await assertRejected(401, wrong.databases.readAll().fetchAll());
    wrong.dispose?.();
  });

  it("every answer has an activity id", async () => {
    await (await newContainer()).items.create({ id: "1", pk: "a" });
    assert.match(responses.at(-1).headers["x-ms-activity-id"], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it("the account names its consistency", async () => {
    const [client] = connect();
    const { resource } = await client.getDatabaseAccount();
    assert.ok(Object.values(sdk.ConsistencyLevel).includes(resource.consistencyPolicy), resource.consistencyPolicy);
    client.dispose?.();
  });
});
