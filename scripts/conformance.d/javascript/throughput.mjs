import assert from "node:assert/strict";
import { it } from "node:test";

import { assertRejected, FOUR_PARTITIONS, randomName, topic } from "./sdk.mjs";

// Throughput: of containers and databases, manual and autoscale, and what it means for physical partitions.
export default topic("throughput", ({ client, database, newContainer }) => {
  const content = async (resource) => (await resource.readOffer()).resource?.content;

  it("a container has four hundred request units by default", async () => {
    assert.equal((await content(await newContainer()))?.offerThroughput, 400);
  });

  it("a container has the throughput of its creation", async () => {
    const container = await newContainer("/pk", { throughput: 1200 });
    assert.equal((await content(container))?.offerThroughput, 1200);
  });

  it("an offer can be read, listed and replaced", async () => {
    const { resource } = await (await newContainer("/pk", { throughput: 400 })).readOffer();
    assert.ok(resource, "the container has no offer");
    const offer = client.offer(resource.id);
    await offer.replace({ ...resource, content: { ...resource.content, offerThroughput: 900 } });
    assert.equal((await offer.read()).resource.content.offerThroughput, 900);
    const { resources } = await client.offers.readAll().fetchAll();
    assert.ok(resources.some(({ id }) => id === resource.id));
    const filtered = await client.offers.query(`SELECT * FROM root WHERE root.id = "${resource.id}"`).fetchAll();
    assert.deepEqual(
      filtered.resources.map(({ id }) => id),
      [resource.id],
    );
  });

  it("throughput below the minimum or between steps is rejected with 400", async () => {
    for (const throughput of [300, 450]) await assertRejected(400, newContainer("/pk", { throughput }));
  });

  it("a database may have throughput for its containers", async (test) => {
    const { database: shared } = await client.databases.create({ id: randomName("shared"), throughput: 600 });
    test.after(() => shared.delete());
    assert.equal((await content(shared))?.offerThroughput, 600);
    const { container } = await shared.containers.create({ id: "items", partitionKey: "/pk" });
    assert.equal(await content(container), undefined);
  });

  it("a database without throughput has no offer", async () => {
    assert.equal(await content(database), undefined);
  });

  it("autoscale has a maximum", async () => {
    const container = await newContainer("/pk", { maxThroughput: 5000 });
    assert.equal((await content(container))?.offerAutopilotSettings?.maxThroughput, 5000);
  });

  it("a container has one physical partition for each ten thousand request units", async () => {
    const ranges = async (container) => (await container.readPartitionKeyRanges().fetchAll()).resources.length;
    assert.equal(await ranges(await newContainer()), 1);
    assert.equal(await ranges(await newContainer("/pk", { throughput: FOUR_PARTITIONS })), 4);
  });
});
