import assert from "node:assert/strict";
import { it } from "node:test";

import { connect, control, controlled, FOUR_PARTITIONS, itemName, since, topic } from "./sdk.mjs";

// What only the control interface of the embedded endpoint can cause: throttled requests, and splits between two pages.
export default topic("faults and splits", ({ database, filledContainer, responses }) => {
  it("a throttled request says when to send it again and is sent again", controlled(), async () => {
    const container = await filledContainer(1);
    await control("/faults", { container: container.id, kind: "read", times: 2, status: 429, substatus: 3200 });
    const start = responses.length;
    assert.equal((await container.item(itemName(0), "key-0").read()).resource.number, 0);
    const answers = responses.slice(start).filter(({ path }) => path.includes(`${container.id}/docs/`));
    assert.deepEqual(answers.map(({ status }) => status), [429, 429, 200]);
    for (const { headers } of answers.slice(0, 2)) assert.ok(Number(headers["x-ms-retry-after-ms"]) > 0, JSON.stringify(headers));
  });

  // The client that reads on has to be another one: one that knows the old ranges ends the query without an error after the 410.
  it("pages of an order are complete across a split", controlled(since("4.10.0", "has no continuation of an order")), async () => {
    const container = await filledContainer(60, 17, { throughput: FOUR_PARTITIONS });
    const numbers = Array.from({ length: 60 }, (_, index) => index);
    for (const [direction, expected] of [["ASC", numbers], ["DESC", numbers.toReversed()]]) {
      const found = [];
      let continuationToken;
      for (let page = 1; page < 100; page++) {
        const [client] = connect();
        const items = client.database(database.id).container(container.id).items;
        const options = { maxItemCount: 7, enableQueryControl: true, continuationToken };
        const answer = await items.query(`SELECT VALUE c.number FROM c ORDER BY c.number ${direction}`, options).fetchNext();
        client.dispose?.();
        found.push(...(answer.resources ?? []));
        continuationToken = answer.continuationToken;
        if (!continuationToken) break;
        if (page === 3) await control("/split", { database: database.id, container: container.id });
      }
      assert.deepEqual(found, expected, direction);
    }
  });
});
