/** The embedded cloud of one data folder: four endpoints on loopback, their addresses in `endpoints.json`. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAthena } from "../cloud/local/athena.ts";
import { startDynamoDb } from "../cloud/local/dynamodb.ts";
import { startKinesis } from "../cloud/local/kinesis.ts";
import { startS3 } from "../cloud/local/s3.ts";
import { buckets } from "../cloud/resources.ts";
import { type Endpoints, endpointsFile } from "./environment.ts";

export interface RunningCloud {
  readonly endpoints: Endpoints;
  close(): Promise<void>;
}

/** The folder whose files are the objects of the embedded S3. */
export const s3Folder = (data: string): string => join(data, "s3");
export const lakeFolder = (data: string): string => join(s3Folder(data), buckets.lake);

/** Starts the four services. Rejects when another process serves the same folder. */
export async function startCloud(data: string): Promise<RunningCloud> {
  mkdirSync(s3Folder(data), { recursive: true });
  const dynamodb = await startDynamoDb({ folder: join(data, "dynamodb") });
  const [kinesis, s3, athena] = await Promise.all([
    startKinesis({ folder: join(data, "kinesis") }),
    startS3({ folder: s3Folder(data) }),
    startAthena({ folder: join(data, "athena"), s3Folder: s3Folder(data) }),
  ]);
  const endpoints = {
    dynamodb: dynamodb.endpoint,
    kinesis: kinesis.endpoint,
    athena: athena.endpoint,
    s3: s3.endpoint,
  };
  const file = endpointsFile(data);
  writeFileSync(`${file}.new`, JSON.stringify(endpoints, null, 2));
  renameSync(`${file}.new`, file);
  const close = async (): Promise<void> => {
    rmSync(file, { force: true });
    await Promise.all([athena, kinesis, s3, dynamodb].map((service) => service.close()));
  };
  return { endpoints, close };
}
