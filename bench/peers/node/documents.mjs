// What a user would write to fill a container, and to restore its documents from their versions.
//
//     node documents.mjs populate COUNT      upserts in bulk, four requests of a hundred in flight
//     node documents.mjs restore COUNT SECOND      for one document after the other: a query for its last version before a time, an upsert
import { BulkOperationType, CosmosClient } from "@azure/cosmos";

const CONCURRENT_REQUESTS = 4;
const MAX_OPERATIONS = 100;

const database = new CosmosClient(process.env.CosmosDB).database(process.env.CHANGEFEED_DATABASE);
const events = database.container("events");
const changes = database.container("changes");
const name = (number) => String(number).padStart(8, "0");

async function populate(count) {
  let next = 0;
  const writer = async () => {
    while (next < count) {
      const first = next;
      next += MAX_OPERATIONS;
      const operations = [];
      for (let number = first; number < Math.min(count, first + MAX_OPERATIONS); number++) {
        const id = `bulk-${name(number)}`;
        const resourceBody = { id, pk: id, text: "x".repeat(900) };
        operations.push({ operationType: BulkOperationType.Upsert, partitionKey: id, resourceBody });
      }
      const results = await events.items.bulk(operations, { continueOnError: true }, { contentResponseOnWriteEnabled: false });
      const failed = results.find(({ statusCode }) => statusCode >= 400);
      if (failed) throw new Error(`status ${failed.statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, writer));
}

async function restore(count, second) {
  const query = "SELECT TOP 1 * FROM c WHERE c.pk = @pk AND c.sourceId = @id AND c.sourceTs < @second ORDER BY c.sourceTs DESC";
  for (let number = 0; number < count; number++) {
    const id = name(number);
    const parameters = [
      { name: "@pk", value: id },
      { name: "@id", value: id },
      { name: "@second", value: second },
    ];
    const found = await changes.items.query({ query, parameters }, { partitionKey: [id, id] }).fetchAll();
    await events.items.upsert(found.resources[0].document);
  }
}

const [, , what, count, second] = process.argv;
const start = performance.now();
await (what === "populate" ? populate(Number(count)) : restore(Number(count), Number(second)));
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
