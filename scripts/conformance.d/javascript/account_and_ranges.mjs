import assert from "node:assert/strict";
import { it } from "node:test";

import { topic } from "./sdk.mjs";

// The account, and the ranges of keys of a container, as SDKs read them before anything else.
export default topic("account and ranges", ({ client, newContainer, responses }) => {
  it("the account has a configuration of the query engine", async () => {
    await client.getDatabaseAccount();
    const account = responses.at(-1).content;
    assert.notDeepEqual(JSON.parse(account.queryEngineConfiguration), {});
  });

  it("a list of ranges has an etag that is answered with 304", async () => {
    const container = await newContainer();
    await container.readPartitionKeyRanges().fetchAll();
    const first = responses.at(-1);
    assert.equal(first.status, 200);
    const again = container.readPartitionKeyRanges({ initialHeaders: { "If-None-Match": first.headers.etag } });
    // The SDK expects a list in every answer.
    await again.fetchAll().catch((error) => assert.equal(error.name, "TypeError", String(error)));
    assert.deepEqual([responses.at(-1).status, responses.at(-1).bytes], [304, 0]);
  });
});
