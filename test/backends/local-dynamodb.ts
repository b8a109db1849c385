/** The embedded DynamoDB with Sluice's tables. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createTable } from "../../bin/clients.ts";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import { tables } from "../../cloud/resources.ts";

export interface LocalDynamoDb {
  readonly client: DynamoDBClient;
  /** A client whose calls go through `around`: to count them, to fail them, to lose their answers. */
  through(
    around: (operation: string, call: () => Promise<unknown>) => Promise<unknown>,
    options?: { readonly maxAttempts?: number },
  ): DynamoDBClient;
  close(): Promise<void>;
}

export async function localDynamoDb(): Promise<LocalDynamoDb> {
  const dynamo = await startDynamoDb();
  const connect = (options: { readonly maxAttempts?: number } = {}) =>
    new DynamoDBClient({
      ...options,
      endpoint: dynamo.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    });
  const client = connect();
  for (const TableName of Object.values(tables)) await createTable(client, TableName);
  return {
    client,
    through: (around, options) => {
      const watched = connect(options);
      watched.middlewareStack.add(
        (next, { commandName = "" }) =>
          async (args) =>
            (await around(commandName, () => next(args))) as Awaited<ReturnType<typeof next>>,
        { step: "finalizeRequest", priority: "low" }, // inside of the SDK's retries: once per attempt
      );
      return watched;
    },
    close: async () => {
      client.destroy();
      await dynamo.close();
    },
  };
}
