import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, topic } from "./sdk.mjs";

// What the embedded endpoint does not offer: it answers 501, and the lists are empty. The service itself offers all of it,
// so these checks are for the embedded endpoint alone.
export default topic("not offered", ({ database, newContainer }) => {
  const listed = async (resources) => (await resources.readAll().fetchAll()).resources;
  const code = { id: "x", body: "function () {}" };

  it("stored procedures are not offered", async () => {
    const { storedProcedures } = (await newContainer()).scripts;
    assert.deepEqual(await listed(storedProcedures), []);
    await assertRejected(501, storedProcedures.create(code));
  });

  it("triggers are not offered", async () => {
    const { triggers } = (await newContainer()).scripts;
    assert.deepEqual(await listed(triggers), []);
    await assertRejected(501, triggers.create({ ...code, triggerType: "Pre", triggerOperation: "All" }));
  });

  it("user-defined functions are not offered", async () => {
    const { userDefinedFunctions } = (await newContainer()).scripts;
    assert.deepEqual(await listed(userDefinedFunctions), []);
    await assertRejected(501, userDefinedFunctions.create(code));
  });

  it("users are not offered", async () => {
    assert.deepEqual(await listed(database.users), []);
    await assertRejected(501, database.users.create({ id: "u" }));
  });

  it("a container has no conflicts", async () => {
    assert.deepEqual(await listed((await newContainer()).conflicts), []);
  });
});
