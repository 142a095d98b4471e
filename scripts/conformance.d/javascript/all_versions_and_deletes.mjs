import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, Beginning, body, changed, changePages, Continuation, Now, sdk, since, topic } from "./sdk.mjs";

export default topic("all versions and deletes", ({ newContainer, filledContainer }) => {
  it("every version and every delete is returned in order", async () => {
    const container = await newContainer();
    const options = { changeFeedMode: sdk.ChangeFeedMode.AllVersionsAndDeletes };
    const { continuation } = await changePages(container, Now(), options);
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.items.upsert({ id: "1", pk: "a", number: 2 });
    await container.item("1", "a").replace({ id: "1", pk: "a", number: 3 });
    await container.item("1", "a").delete();
    const changes = await changed(container, Continuation(continuation), options);
    assert.deepEqual(
      changes.map(({ current, metadata }) => [metadata.operationType, current?.number]),
      [["create", 1], ["replace", 2], ["replace", 3], ["delete", undefined]],
    );
    assert.ok(changes.every(({ metadata }) => Number.isSafeInteger(metadata.lsn)));
  });

  it("a delete carries the document where the container keeps versions", async () => {
    const changeFeedPolicy = { retentionDuration: 10 };
    const container = await newContainer("/pk", { changeFeedPolicy });
    const options = { changeFeedMode: sdk.ChangeFeedMode.AllVersionsAndDeletes };
    const { continuation } = await changePages(container, Now(), options);
    await container.items.create({ id: "1", pk: "a", number: 1 });
    await container.item("1", "a").delete();
    const { metadata, previous } = (await changed(container, Continuation(continuation), options)).at(-1);
    assert.equal(metadata.operationType, "delete");
    assert.deepEqual(body(previous ?? {}), { id: "1", pk: "a", number: 1 });
  });

  it("the mode cannot start from the beginning", async () => {
    const container = await filledContainer(1);
    const options = { changeFeedMode: sdk.ChangeFeedMode.AllVersionsAndDeletes };
    await assertRejected(400, changed(container, Beginning(), options));
  });
}, since("4.2.0", "has no mode AllVersionsAndDeletes"));
