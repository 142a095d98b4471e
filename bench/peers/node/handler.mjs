// A handler in Node.js that stores each change as a record, as a careful user would write it. WRITES says how: `point` or `bulk`.
import { createServer } from "node:http";
import { BulkOperationType, CosmosClient } from "@azure/cosmos";

const CONCURRENT_WRITES = 32;
const MAX_OPERATIONS = 100;
const CONFLICT = 409;

const client = new CosmosClient({ endpoint: process.env.COSMOS_ENDPOINT, key: process.env.COSMOS_KEY });
const changes = client.database("dev").container("changes");
const SYSTEM_PROPERTIES = new Set(["_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"]);

function record(change) {
  const document = Object.fromEntries(Object.entries(change).filter(([name]) => !SYSTEM_PROPERTIES.has(name)));
  return {
    id: `${String(change._ts).padStart(10, "0")}-${change._etag.replaceAll('"', "")}`,
    pk: change.pk,
    sourceId: change.id,
    partitionKey: [change.pk],
    operation: "write",
    sourceTs: change._ts,
    lsn: change._lsn,
    etag: change._etag,
    capturedAt: new Date().toISOString(),
    document,
  };
}

async function createEach(records) {
  let next = 0;
  const writer = async () => {
    while (next < records.length) {
      try {
        // The SDK can leave out the body of the answer in bulk only.
        await changes.items.create(records[next++]);
      } catch (error) {
        if (error.code !== CONFLICT) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_WRITES }, writer));
}

// `items.bulk` takes at most 100 operations. `executeBulkOperations`, its successor, waits for more operations before it sends a request, up
// to a second: for batches of a change feed it is 20 times slower.
async function createInBulk(records) {
  const requests = [];
  for (let first = 0; first < records.length; first += MAX_OPERATIONS) {
    const operations = records.slice(first, first + MAX_OPERATIONS).map((resourceBody) => ({
      operationType: BulkOperationType.Create,
      partitionKey: [resourceBody.pk, resourceBody.sourceId],
      resourceBody,
    }));
    requests.push(changes.items.bulk(operations, { continueOnError: true }, { contentResponseOnWriteEnabled: false }));
  }
  const failed = (await Promise.all(requests)).flat().find(({ statusCode }) => statusCode >= 400 && statusCode !== CONFLICT);
  if (failed) throw new Error(`status ${failed.statusCode}`);
}

const write = process.env.WRITES === "bulk" ? createInBulk : createEach;

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let status = 200;
  let answer = { Outputs: {}, Logs: [], ReturnValue: null };
  try {
    const invocation = JSON.parse(Buffer.concat(chunks).toString());
    const documents = JSON.parse(JSON.parse(invocation.Data.documents));
    await write(documents.map(record));
  } catch (error) {
    status = 503;
    answer = { error: String(error?.stack ?? error) };
  }
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
