/** What `sluice start` makes of the fallback's table. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DescribeTimeToLiveCommand } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { startCloud } from "../../bin/cloud.ts";
import { tables } from "../../cloud/resources.ts";
import { expiryAttribute } from "../../src/backends/control-store.dynamodb.ts";

test("its documents expire, also where it was there before", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-provisioned-"));
  const cloud = await startCloud(folder);
  const clients = localClients(cloud.endpoints);
  await provision(clients, []);
  await provision(clients, []);
  const { TimeToLiveDescription } = await clients.dynamodb.send(
    new DescribeTimeToLiveCommand({ TableName: tables.jobs }),
  );
  expect(TimeToLiveDescription).toEqual({ TimeToLiveStatus: "ENABLED", AttributeName: expiryAttribute });
  closeClients(clients);
  await cloud.close();
  await rm(folder, { recursive: true });
});
