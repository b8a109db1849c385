// What only the embedded Kinesis can show: both protocols, clients that misbehave, throttling, a clock that is set.
import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import {
  GetRecordsCommand,
  KinesisClient,
  PutRecordCommand,
  PutRecordsCommand,
  UpdateShardCountCommand,
} from "@aws-sdk/client-kinesis";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { afterEach, describe, expect, test } from "vitest";
import type { KinesisServer } from "../../cloud/local/kinesis.ts";
import { EmbeddedKinesis, firstShard, StreamName } from "./kinesis.target.ts";

const credentials = { accessKeyId: "local", secretAccessKey: "local" };
const embedded = new EmbeddedKinesis();

afterEach(() => embedded.stop());

describe("the protocols", () => {
  test("HTTP/2 and HTTP/1.1 share one port", async () => {
    const { server, target } = await embedded.startWithStream();
    const requestHandler = new NodeHttpHandler();
    const http1 = new KinesisClient({
      endpoint: server.endpoint,
      region: "eu-central-1",
      credentials,
      requestHandler,
    });
    embedded.undo(() => http1.destroy());
    await http1.send(
      new PutRecordCommand({ StreamName, PartitionKey: "a", Data: Buffer.from("by HTTP/1.1") }),
    );
    await target.put(StreamName, ["by HTTP/2"]);
    const { Records } = await http1.send(
      new GetRecordsCommand({
        ShardIterator: await target.iterator(StreamName, firstShard, { ShardIteratorType: "TRIM_HORIZON" }),
      }),
    );
    expect(Records?.map((record) => Buffer.from(record.Data ?? []).toString())).toEqual([
      "by HTTP/1.1",
      "by HTTP/2",
    ]);
  });

  test("a request may arrive byte by byte", async () => {
    const { server } = await embedded.start();
    const request =
      "POST / HTTP/1.1\r\nHost: local\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n" +
      "Content-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    const socket = connect(Number(new URL(server.endpoint).port), "127.0.0.1").setNoDelay(true);
    const answer: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => answer.push(chunk));
    for (const byte of request) await new Promise((resolve) => socket.write(byte, resolve));
    await once(socket, "close");
    expect(Buffer.concat(answer).toString()).toMatch(/^HTTP\/1\.1 200[^]*"StreamNames":\[\]/);
  });

  test("an HTTP/2 preface may arrive in pieces", async () => {
    const { server } = await embedded.start();
    const socket = connect(Number(new URL(server.endpoint).port), "127.0.0.1").setNoDelay(true);
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    for (const piece of ["PRI", " * HTTP/2.0\r\n", "\r\nSM\r\n\r\n", emptySettings]) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await new Promise(setImmediate);
    }
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first[3]).toBe(4); // the server's own SETTINGS frame
    socket.destroy();
  });

  test("operations and encodings that are not there are refused with what is there", async () => {
    const { server, target } = await embedded.startWithStream();
    const update = { StreamName, TargetShardCount: 2, ScalingType: "UNIFORM_SCALING" } as const;
    await expect(target.client.send(new UpdateShardCountCommand(update))).rejects.toMatchObject({
      name: "UnknownOperationException",
      message: expect.stringContaining("SplitShard"),
    });
    const cbor = await post(server, "ListStreams", "{}", "application/x-amz-cbor-1.1");
    expect(cbor).toMatchObject({ status: 400, body: { __type: "SerializationException" } });
    const noJson = await post(server, "ListStreams", "{");
    expect(noJson).toMatchObject({ status: 400, body: { __type: "SerializationException" } });
    const noBase64 = { StreamName, PartitionKey: "a", Data: "***" };
    expect(await post(server, "PutRecord", JSON.stringify(noBase64))).toMatchObject({ status: 400 });
    expect(await embedded.texts(target)).toEqual([]);
  });
});

async function post(
  server: KinesisServer,
  operation: string,
  body: string,
  type = "application/x-amz-json-1.1",
) {
  const headers = { "content-type": type, "x-amz-target": `Kinesis_20131202.${operation}` };
  const response = await fetch(server.endpoint, { method: "POST", body, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("clients that misbehave", () => {
  test("an abort in mid-request puts nothing and harms nobody", async () => {
    const { server, target } = await embedded.startWithStream();
    const body = JSON.stringify({
      StreamName,
      PartitionKey: "a",
      Data: Buffer.from("half").toString("base64"),
    });
    const port = Number(new URL(server.endpoint).port);
    for (let nth = 0; nth < 20; nth += 1) {
      await abortHttp1(port, body.slice(0, -1 - nth), body.length);
      await abortHttp2(server.endpoint, body.slice(0, -1 - nth), body.length);
    }
    await target.put(StreamName, ["whole"]);
    expect(await embedded.texts(target)).toEqual(["whole"]);
  });

  test("garbage is answered by closing the connection", async () => {
    const { server, target } = await embedded.startWithStream();
    const port = Number(new URL(server.endpoint).port);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for (const garbage of [Buffer.alloc(100), Buffer.concat([preface, Buffer.alloc(4_000, 255)])]) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined).resume();
      socket.write(garbage);
      await once(socket, "close");
    }
    await target.put(StreamName, ["still here"]);
    expect(await embedded.texts(target)).toEqual(["still here"]);
  });

  test("a body that is too large is refused with 413", async () => {
    const { server, target } = await embedded.startWithStream();
    const answer = await post(server, "PutRecords", " ".repeat(17 * 1_048_576));
    expect(answer).toMatchObject({ status: 413, body: { __type: "RequestEntityTooLargeException" } });
    expect(await embedded.texts(target)).toEqual([]);
  });

  test("a server closes while a client keeps its connection", async () => {
    const { server, target } = await embedded.startWithStream();
    await target.put(StreamName, ["a"]);
    const silent = connect(Number(new URL(server.endpoint).port), "127.0.0.1");
    silent.on("error", () => undefined);
    await once(silent, "connect");
    await server.close();
    await expect(fetch(server.endpoint)).rejects.toThrow("fetch failed");
  });
});

async function abortHttp1(port: number, partOfBody: string, length: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  const head =
    "POST / HTTP/1.1\r\nHost: local\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\n" +
    `Content-Type: application/x-amz-json-1.1\r\nContent-Length: ${length}\r\n\r\n`;
  await new Promise((resolve) => socket.write(head + partOfBody, resolve));
  socket.resetAndDestroy();
}

async function abortHttp2(endpoint: string, partOfBody: string, length: number): Promise<void> {
  const session: ClientHttp2Session = connectHttp2(endpoint);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/",
    "x-amz-target": "Kinesis_20131202.PutRecord",
    "content-type": "application/x-amz-json-1.1",
    "content-length": length,
  });
  stream.on("error", () => undefined);
  await new Promise((resolve) => stream.write(partOfBody, resolve));
  session.destroy();
  await once(session, "close");
}

describe("a shard that throttles", () => {
  const credentialsOf = (server: KinesisServer) => ({
    endpoint: server.endpoint,
    region: "eu-central-1",
    credentials,
  });
  const clock = { now: 1_800_000_000_000 };

  /** A throttling server on a clock that stands, and a client that does not try again. */
  async function throttled() {
    const { server, target } = await embedded.startWithStream({ throttle: true, now: () => clock.now });
    const client = new KinesisClient({ ...credentialsOf(server), maxAttempts: 1 });
    embedded.undo(() => client.destroy());
    const put = async (count: number, bytes = 1) => {
      const Records = Array.from({ length: count }, () => ({ PartitionKey: "k", Data: Buffer.alloc(bytes) }));
      return client.send(new PutRecordsCommand({ StreamName, Records }));
    };
    return { target, client, put };
  }

  test("takes 1,000 records a second and names those it refused", async () => {
    const { target, client, put } = await throttled();
    expect((await put(500)).FailedRecordCount).toBe(0);
    expect((await put(400)).FailedRecordCount).toBe(0);
    const partly = await put(150);
    expect(partly.FailedRecordCount).toBe(50);
    expect(partly.Records?.slice(0, 100).every((record) => record.SequenceNumber !== undefined)).toBe(true);
    expect(partly.Records?.[100]).toEqual({
      ErrorCode: "ProvisionedThroughputExceededException",
      ErrorMessage: expect.stringContaining(`Rate exceeded for shard ${firstShard} in stream ${StreamName}`),
    });
    const one = new PutRecordCommand({ StreamName, PartitionKey: "k", Data: Buffer.from("a") });
    await expect(client.send(one)).rejects.toMatchObject({ name: "ProvisionedThroughputExceededException" });
    clock.now += 1_000;
    expect((await put(500)).FailedRecordCount).toBe(0);
    expect(await embedded.texts(target)).toHaveLength(1_500);
  });

  test("takes 1 MiB a second", async () => {
    const { put } = await throttled();
    expect((await put(3, 400_000)).FailedRecordCount).toBe(1);
    clock.now += 500;
    expect((await put(2, 400_000)).FailedRecordCount).toBe(1);
  });
});

describe("time", () => {
  test("an iterator expires after five minutes", async () => {
    const clock = { now: 1_800_000_000_000 };
    const { target } = await embedded.startWithStream({ now: () => clock.now });
    const ShardIterator = await target.iterator(StreamName, firstShard, { ShardIteratorType: "LATEST" });
    clock.now += 300_000;
    await target.client.send(new GetRecordsCommand({ ShardIterator }));
    clock.now += 1;
    await expect(target.client.send(new GetRecordsCommand({ ShardIterator }))).rejects.toMatchObject({
      name: "ExpiredIteratorException",
    });
  });

  test("arrivals never go back, and a reader learns how far behind it is", async () => {
    const clock = { now: 1_800_000_000_000 };
    const { target } = await embedded.startWithStream({ now: () => clock.now });
    await target.put(StreamName, ["a"]);
    clock.now -= 5_000;
    await target.put(StreamName, ["b"]);
    const records = await target.readShard(StreamName, firstShard, 2);
    expect(records.map((record) => record.ApproximateArrivalTimestamp?.getTime())).toEqual([
      1_800_000_000_000, 1_800_000_000_000,
    ]);
    clock.now += 12_000;
    const ShardIterator = await target.iterator(StreamName, firstShard, {
      ShardIteratorType: "TRIM_HORIZON",
    });
    const behind = await target.client.send(new GetRecordsCommand({ ShardIterator, Limit: 1 }));
    expect(behind.MillisBehindLatest).toBe(7_000);
    const caughtUp = await target.client.send(new GetRecordsCommand({ ShardIterator }));
    expect(caughtUp.MillisBehindLatest).toBe(0);
  });

  test("one read answers at most 10 MiB of records", async () => {
    const { target } = await embedded.startWithStream();
    const Records = Array.from({ length: 4 }, () => ({ PartitionKey: "k", Data: Buffer.alloc(1_048_000) }));
    for (let nth = 0; nth < 3; nth += 1)
      await target.client.send(new PutRecordsCommand({ StreamName, Records }));
    const ShardIterator = await target.iterator(StreamName, firstShard, {
      ShardIteratorType: "TRIM_HORIZON",
    });
    const first = await target.client.send(new GetRecordsCommand({ ShardIterator }));
    expect(first.Records).toHaveLength(10);
    const rest = await target.client.send(new GetRecordsCommand({ ShardIterator: first.NextShardIterator }));
    expect(rest.Records).toHaveLength(2);
  });

  test("a record has at most 1 MiB, a request at most 5 MiB", async () => {
    const { target } = await embedded.startWithStream();
    const put = (PartitionKey: string, bytes: number, count = 1) => {
      const Records = Array.from({ length: count }, () => ({ PartitionKey, Data: Buffer.alloc(bytes) }));
      return target.client.send(new PutRecordsCommand({ StreamName, Records }));
    };
    await expect(put("k", 1_048_577)).rejects.toMatchObject({ name: "ValidationException" });
    await expect(put("k", 1_048_576)).rejects.toMatchObject({ name: "ValidationException" });
    await expect(put("k", 1_048_575, 6)).rejects.toMatchObject({ name: "InvalidArgumentException" });
    await put("k", 1_048_575, 5);
    expect(await target.readShard(StreamName, firstShard, 5)).toHaveLength(5);
  });
});
