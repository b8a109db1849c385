/** Queries of DynamoDB as the gateway relies on them, embedded or, with SLUICE_CONFORMANCE=aws, in AWS. */
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { QueryCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { key, openTarget, type Target } from "./dynamodb.target.ts";

let target: Target;
let client: DynamoDBClient;
let table: string;

beforeAll(async () => {
  target = await openTarget();
  ({ client, table } = target);
});

afterAll(() => target.close());

describe("queries", () => {
  const query = async (
    condition: string,
    values: Record<string, string>,
    more: object = {},
  ): Promise<string[]> => {
    const found: string[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await client.send(
        new QueryCommand({
          TableName: table,
          KeyConditionExpression: condition,
          ExpressionAttributeValues: Object.fromEntries(
            Object.entries(values).map(([name, S]) => [name, { S }]),
          ),
          ConsistentRead: true,
          ExclusiveStartKey: start,
          ...more,
        }),
      );
      found.push(...(page.Items ?? []).map((item) => item["sk"]?.S ?? ""));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return found;
  };
  const binary = (keys: readonly string[]): string[] =>
    keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  it("returns a partition in binary order of its sort keys, in pages, from either end", async () => {
    const keys = ["", "a", "a/", "a0", "aa", "b", "é", "\u{1f600}", "\uffee", "zz", "Z"].filter(
      (sk) => sk !== "",
    );
    await Promise.all(keys.map((sk) => target.put(key("order", sk))));
    await target.put(key("orders", "other partition"));
    expect(await query("pk = :p", { ":p": "order" })).toEqual(binary(keys));
    expect(await query("pk = :p", { ":p": "order" }, { Limit: 3 })).toEqual(binary(keys));
    const backwards = { Limit: 4, ScanIndexForward: false };
    expect(await query("pk = :p", { ":p": "order" }, backwards)).toEqual(binary(keys).toReversed());
  });

  it("selects ranges of sort keys as comparing them does", async () => {
    const keys = ["2024", "2024-01", "2024-01-31", "2024-02", "2024-12", "2025-01"];
    await Promise.all(keys.map((sk) => target.put(key("range", sk))));
    const range = (condition: string, from: string, to = from): Promise<string[]> =>
      query(
        `pk = :p AND ${condition}`,
        { ":p": "range", ":a": from, ...(condition.includes(":b") && { ":b": to }) },
        { Limit: 2 },
      );
    expect(await range("begins_with(sk, :a)", "2024-01")).toEqual(keys.slice(1, 3));
    expect(await range("sk BETWEEN :a AND :b", "2024-01", "2024-02")).toEqual(keys.slice(1, 4));
    expect(await range("sk > :a", "2024-02")).toEqual(keys.slice(4));
    expect(await range("sk >= :a", "2024-02")).toEqual(keys.slice(3));
    expect(await range("sk < :a", "2024-02")).toEqual(keys.slice(0, 3));
    expect(await range("sk <= :a", "2024-02")).toEqual(keys.slice(0, 4));
    expect(await range("sk = :a", "2024-01")).toEqual(keys.slice(1, 2));
  });

  it("ends a page after 1 MB", async () => {
    const large = Array.from({ length: 5 }, (_, n) => ({
      ...key("paged", String(n)),
      v: { S: "v".repeat(300_000) },
    }));
    await Promise.all(large.map((item) => target.put(item)));
    const request = {
      TableName: table,
      KeyConditionExpression: "pk = :p",
      ExpressionAttributeValues: { ":p": { S: "paged" } },
    };
    const first = await client.send(new QueryCommand(request));
    expect(first.Count).toBeLessThan(5);
    expect(first.LastEvaluatedKey).toBeDefined();
    expect(await query("pk = :p", { ":p": "paged" })).toEqual(["0", "1", "2", "3", "4"]);
  });
});
