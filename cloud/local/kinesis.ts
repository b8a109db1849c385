/**
 * Kinesis Data Streams on loopback, for the unmodified AWS SDK. Delivery: a record that was acknowledged is read by
 * every reader of its shard, in the order of sequence numbers, also after a kill of the process (not after a power
 * cut: there is no fsync). A request that was never answered may have been written, as in the real service.
 */
import { randomUUID } from "node:crypto";
import { Catalog } from "./kinesis-catalog.ts";
import { KinesisError, serialization, unknownOperation } from "./kinesis-errors.ts";
import { getRecords, getShardIterator } from "./kinesis-get.ts";
import type { WholeRequest, WholeResponse } from "./kinesis-http.ts";
import { listen } from "./kinesis-http.ts";
import type { Input } from "./kinesis-input.ts";
import { structure } from "./kinesis-input.ts";
import { describeStream, describeStreamSummary, listShards, listStreams } from "./kinesis-list.ts";
import {
  createStream,
  decreaseRetention,
  deleteStream,
  increaseRetention,
  merge,
  split,
} from "./kinesis-manage.ts";
import { putRecord, putRecords } from "./kinesis-put.ts";

export interface KinesisOptions {
  /** Where streams and records are kept; without it they are in memory and go with the server. One server a folder. */
  readonly folder?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly host?: string;
  /** Refuses what a real shard would: more than 1,000 records or 1 MiB a second. Off by default. */
  readonly throttle?: boolean;
  /** The clock, ms since 1970. */
  readonly now?: () => number;
  /** When a log goes on in a new file, 64 MiB by default; retention drops whole files. */
  readonly segmentBytes?: number;
}

export interface KinesisServer {
  /** For the SDK's `endpoint`; HTTP/1.1 and HTTP/2 with prior knowledge. */
  readonly endpoint: string;
  /** Finishes running requests and closes all files. */
  close(): Promise<void>;
}

type Operation = (catalog: Catalog, input: Input, region: string) => Promise<object | void>;

const operations: Readonly<Record<string, Operation>> = {
  CreateStream: createStream,
  DecreaseStreamRetentionPeriod: decreaseRetention,
  DeleteStream: deleteStream,
  DescribeStream: describeStream,
  DescribeStreamSummary: describeStreamSummary,
  GetRecords: getRecords,
  GetShardIterator: getShardIterator,
  IncreaseStreamRetentionPeriod: increaseRetention,
  ListShards: listShards,
  ListStreams: listStreams,
  MergeShards: merge,
  PutRecord: putRecord,
  PutRecords: putRecords,
  SplitShard: split,
};

const maxBodyBytes = 16 * 1_048_576; // 5 MiB of records in base64, with room for keys and escapes
const targetPrefix = "Kinesis_20131202.";

/** Opens the folder and listens; rejects where the port is taken or the folder is not readable. */
export async function startKinesis(options: KinesisOptions = {}): Promise<KinesisServer> {
  const { folder, host = "127.0.0.1", port = 0, throttle = false, now = Date.now } = options;
  const catalog = new Catalog({
    folder,
    throttle,
    now,
    segmentBytes: options.segmentBytes ?? 64 * 1_048_576,
  });
  const server = await listen({ host, port, maxBodyBytes, answer: (request) => answer(catalog, request) });
  return {
    endpoint: `http://${host.includes(":") ? `[${host}]` : host}:${server.port}`,
    async close() {
      await server.close();
      await catalog.close();
    },
  };
}

async function answer(catalog: Catalog, request: WholeRequest): Promise<WholeResponse> {
  try {
    const operation = operationOf(request);
    const result = await operation(catalog, inputOf(request), regionOf(request));
    return respond(200, Buffer.isBuffer(result) ? result : Buffer.from(result ? JSON.stringify(result) : ""));
  } catch (error) {
    return respondError(error instanceof KinesisError ? error : internalFailure(error));
  }
}

function operationOf({ method, headers, tooLarge }: WholeRequest): Operation {
  if (tooLarge)
    throw new KinesisError(
      "RequestEntityTooLargeException",
      `A body has at most ${maxBodyBytes} bytes.`,
      413,
    );
  const target = String(headers["x-amz-target"] ?? "");
  const name = target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : undefined;
  const operation = name !== undefined && Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (operation === undefined)
    throw unknownOperation(
      `The embedded Kinesis has no operation for ${method} with X-Amz-Target "${target}". ` +
        `It has: ${Object.keys(operations).join(", ")}.`,
    );
  return operation;
}

function inputOf({ headers, body }: WholeRequest): Input {
  const type = headers["content-type"] ?? "";
  if (!/^application\/(x-amz-json-1\.1|json)\b/.test(type))
    throw serialization(
      `The embedded Kinesis speaks application/x-amz-json-1.1, but "${type}" arrived. Switch CBOR off in the client.`,
    );
  return structure(parseJson(body), "The body");
}

function parseJson(body: Buffer): unknown {
  try {
    return body.length === 0 ? {} : JSON.parse(body.toString());
  } catch (cause) {
    throw serialization(`The body must be JSON: ${(cause as Error).message}`);
  }
}

/** The region that the client signs for; signatures are not checked. */
function regionOf({ headers }: WholeRequest): string {
  return /Credential=[^/]*\/\d+\/([a-z0-9-]+)\//.exec(headers.authorization ?? "")?.[1] ?? "us-east-1";
}

function internalFailure(error: unknown): KinesisError {
  return new KinesisError("InternalFailure", `The embedded Kinesis failed: ${String(error)}`, 500);
}

function respondError(error: KinesisError): WholeResponse {
  return respond(error.status, Buffer.from(JSON.stringify({ __type: error.type, message: error.message })));
}

function respond(status: number, body: Buffer): WholeResponse {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() };
  return { status, headers, body };
}
