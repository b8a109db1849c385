/** Athena says that it is too busy under several names. */
import { AthenaClient } from "@aws-sdk/client-athena";
import { expect, test } from "vitest";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";

const statement = { sql: "SELECT 1", parameters: [], database: "shop" };

function refusing(name: string) {
  const client = new AthenaClient({ region: "eu-central-1" });
  client.send = () =>
    Promise.reject(
      Object.assign(new Error("Rate exceeded"), { name, $metadata: { httpStatusCode: 400 } }),
    ) as never;
  return athenaWarehouse({
    client,
    workgroup: "analytics",
    output: "s3://results/",
    clock: () => 0,
    wait: () => Promise.resolve(),
    token: () => "t".repeat(32),
  });
}

test.each(["TooManyRequestsException", "ThrottlingException"])(
  "%s is for whoever starts, reads or stops to come again, and says nothing of a running statement",
  async (name) => {
    const warehouse = refusing(name);
    const throttled = { code: "AD_HOC_THROTTLED" };
    await expect(warehouse.start(statement, "t".repeat(32))).rejects.toMatchObject(throttled);
    await expect(warehouse.rows("q")).rejects.toMatchObject(throttled);
    await expect(warehouse.stop("q")).rejects.toMatchObject(throttled);
    expect(await warehouse.look("q")).toBeNull();
  },
);

test("a statement that Athena refuses is not started again", async () => {
  const start = refusing("InvalidRequestException").start(statement, "t".repeat(32));
  await expect(start).rejects.toMatchObject({ code: "AD_HOC_FAILED" });
});
