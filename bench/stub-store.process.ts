/** A DynamoDB that takes every BatchWriteItem at once and keeps nothing: what writing costs its client. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const answer = `{"UnprocessedItems":{}}`;
const server = createServer((request, response) => {
  request.resume();
  request.once("end", () => {
    response.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
    response.end(answer);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () =>
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
process.once("SIGTERM", () => process.exit(0));
