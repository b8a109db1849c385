import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type S3Endpoint, startS3 } from "../../cloud/local/s3.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";
import type { Lake, LakeObject } from "../../src/backends/lake.ts";

let folder: string;
let s3: S3Endpoint;
let lake: Lake;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sluice-lake-"));
  await mkdir(path.join(folder, "lake"));
  s3 = await startS3({ folder });
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    forcePathStyle: true,
  });
  lake = s3Lake({ client, bucket: "lake" });
});
afterAll(async () => {
  await s3.close();
  await rm(folder, { recursive: true });
});

async function objects(prefix: string): Promise<LakeObject[]> {
  const found: LakeObject[] = [];
  for await (const object of lake.list(prefix)) found.push(object);
  return found;
}

async function keys(prefix: string): Promise<string[]> {
  return (await objects(prefix)).map(({ key }) => key);
}

test("objects are written, listed with size and etag, read, copied and removed", async () => {
  const odd = "db.t/day=2001-06-27/a b%20c+ü'(1).parquet";
  await lake.write(odd, Buffer.from("hello"));
  const [object, ...others] = await objects("db.t/");
  expect(object).toMatchObject({ key: odd, size: 5 });
  expect(others).toEqual([]);
  await lake.copy(odd, "archive/x");
  expect(Buffer.from(await lake.read("archive/x")).toString()).toBe("hello");
  await lake.write(odd, Buffer.from("world"));
  const [changed] = await objects("db.t/");
  expect(changed!.etag).not.toBe(object!.etag);
  await lake.remove([odd, "archive/x", "never/was"]);
  expect(await keys("")).toEqual([]);
});

test("more than a page is listed, in order, and removed", async () => {
  const names = Array.from({ length: 1_100 }, (_, i) => `many/${String(i).padStart(5, "0")}`);
  await mkdir(path.join(folder, "lake/many"));
  for (const name of names) await writeFile(path.join(folder, "lake", name), "x"); // files are objects
  expect(await keys("many/")).toEqual(names);
  await lake.remove(names);
  expect(await keys("many/")).toEqual([]);
});

test("what is not there is rejected", async () => {
  const refused = {
    code: "BACKEND_UNAVAILABLE",
    cause: expect.objectContaining({
      message: expect.stringContaining("key does not exist") as string,
    }) as Error,
  };
  await expect(lake.read("nothing")).rejects.toMatchObject(refused);
  await expect(lake.copy("nothing", "x")).rejects.toMatchObject(refused);
});

test("urls and keys", () => {
  expect(lake.url("gold/x/")).toBe("s3://lake/gold/x/");
  expect(lake.key("s3://lake/gold/x")).toBe("gold/x");
  expect(() => lake.key("s3://other/gold")).toThrow("begin with s3://lake/");
});
