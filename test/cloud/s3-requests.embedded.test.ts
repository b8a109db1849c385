/** What only the embedded S3 can show: clients that leave, requests no SDK would send, what it does not implement. */
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { crc32 } from "node:zlib";
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { Bucket, s3World } from "./s3.world.ts";

const world = s3World();
const { fileOf, uploads, put, get, list, raw } = world;

describe("clients that leave", () => {
  const head = (key: string, bytes: number): string =>
    `PUT /lake/${key} HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 x\r\ncontent-length: ${bytes}\r\n\r\n`;

  it.each(["reset", "end"] as const)("in mid-upload change nothing (%s)", async (manner) => {
    await put("key", "before");
    for (const sent of ["", head("key", 9).slice(0, 20), head("key", 9), `${head("key", 9)}after`]) {
      const socket = await connected();
      await new Promise((resolve) => socket.write(sent, resolve));
      if (manner === "reset") socket.resetAndDestroy();
      else socket.end();
      await once(socket.resume(), "close");
    }
    await expect.poll(uploads, { timeout: 10_000 }).toEqual([]);
    expect(await get("key")).toBe("before");
    expect(await list()).toEqual(["key"]);
  });

  it("in mid-download harm nobody", async () => {
    await put("large", "x".repeat(20_000_000));
    const open = async (): Promise<number> => (await readdir("/proc/self/fd").catch(() => [])).length;
    const before = await open();
    for (let n = 0; n < 10; n++) {
      const socket = await connected();
      socket.write("GET /lake/large HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 x\r\n\r\n");
      await once(socket, "data");
      socket.resetAndDestroy();
    }
    await expect.poll(open).toBeLessThanOrEqual(before);
    expect((await get("large")).length).toBe(20_000_000);
  });

  it("are cut off when a file shrinks under them, since its length was promised", async () => {
    await put("shrinking", "x".repeat(20_000_000));
    const socket = await connected();
    const ask = (key: string): string =>
      `GET /lake/${key} HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 x\r\n\r\n`;
    socket.write(ask("shrinking") + ask("next"));
    const [first] = (await once(socket, "data")) as [Buffer];
    socket.pause();
    await writeFile(fileOf("shrinking"), "short");
    const received = [first];
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    await once(socket.resume(), "close");
    const all = Buffer.concat(received).toString();
    expect(all.length).toBeLessThan(20_000_000);
    expect(all).not.toContain("NoSuchKey"); // or the next answer would be read as the rest of this one
  });

  async function connected(): Promise<Socket> {
    const socket = connect(Number(new URL(world.endpoint).port), "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }
});

describe("requests no SDK would send", () => {
  const crcOf = (content: string): string => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(crc32(content));
    return bytes.toString("base64");
  };
  const chunked = (body: string, length = 7): Promise<{ status: number; body: string }> =>
    raw("PUT", "/lake/chunked", {
      body,
      headers: {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": String(length),
        "x-amz-trailer": "x-amz-checksum-crc32",
      },
    });
  const good = `4;chunk-signature=f00\r\ncont\r\n3\r\nent\r\n0\r\nx-amz-checksum-crc32:${crcOf("content")}\r\n\r\n`;

  it("decode and verify aws-chunked", async () => {
    expect(await chunked(good)).toMatchObject({ status: 200 });
    expect(await get("chunked")).toBe("content");
  });

  it.each([
    ["a wrong checksum", good.replace(crcOf("content"), crcOf("other")), 7, "BadDigest"],
    ["a wrong length", good, 8, "IncompleteBody"],
    ["a missing end", good.slice(0, -30), 7, "IncompleteBody"],
    ["no size", "content", 7, "IncompleteBody"],
    ["a size that is none", "seven\r\ncontent\r\n0\r\n\r\n", 7, "InvalidRequest"],
    ["a chunk beyond its size", "3\r\ncontent\r\n0\r\n\r\n", 7, "InvalidRequest"],
    ["an endless line", "1".repeat(100_000), 7, "InvalidRequest"],
    ["a trailer that is none", "7\r\ncontent\r\n0\r\nnothing\r\n\r\n", 7, "InvalidRequest"],
  ])("refuse aws-chunked with %s", async (_what, body, length, code) => {
    expect((await chunked(body, length)).body).toContain(`<Code>${code}</Code>`);
    expect(await list()).toEqual([]);
    await expect.poll(uploads, { timeout: 10_000 }).toEqual([]);
  });

  it("are refused unsigned, so that no web page can send them", async () => {
    const refused = await raw("POST", "/lake?delete", { headers: { authorization: "" }, body: "<Delete/>" });
    expect(refused).toMatchObject({ status: 403, body: expect.stringContaining("AccessDenied") as string });
  });

  it("are refused when they are malformed", async () => {
    expect((await raw("POST", "/lake?delete", { body: "<Delete></Delete>" })).body).toContain("MalformedXML");
    expect((await raw("POST", "/lake?delete", { body: "x".repeat(3_000_000) })).body).toContain(
      "MalformedXML",
    );
    expect((await raw("GET", "/lake?list-type=2&max-keys=many")).body).toContain("InvalidArgument");
    expect((await raw("GET", "/lake?list-type=2&continuation-token=abc")).body).toContain("InvalidArgument");
    expect((await raw("GET", "/NO_BUCKET/key")).body).toContain("InvalidBucketName");
    expect((await raw("PATCH", "/lake/key")).body).toContain("NotImplemented");
  });

  it("are answered even when their large body is refused", async () => {
    const Body = "x".repeat(8_000_000);
    const refused = world.client.send(new PutObjectCommand({ Bucket: "absent", Key: "key", Body }));
    await expect(refused).rejects.toMatchObject({ name: "NoSuchBucket" });
  });
});

describe("what is not implemented", () => {
  const Key = "key";
  it.each([
    [
      "multipart uploads",
      (): Promise<unknown> => world.client.send(new CreateMultipartUploadCommand({ Bucket, Key })),
    ],
    [
      "access control lists",
      (): Promise<unknown> => world.client.send(new PutObjectAclCommand({ Bucket, Key, ACL: "private" })),
    ],
    ["the first ListObjects", (): Promise<unknown> => world.client.send(new ListObjectsCommand({ Bucket }))],
    ["ListBuckets", (): Promise<unknown> => world.client.send(new ListBucketsCommand({}))],
    [
      "metadata",
      (): Promise<unknown> =>
        world.client.send(new PutObjectCommand({ Bucket, Key, Body: "x", Metadata: { a: "b" } })),
    ],
    [
      "content encodings",
      (): Promise<unknown> =>
        world.client.send(new PutObjectCommand({ Bucket, Key, Body: "x", ContentEncoding: "gzip" })),
    ],
    [
      "If-Match on writes",
      (): Promise<unknown> =>
        world.client.send(new PutObjectCommand({ Bucket, Key, Body: "x", IfMatch: '"a"' })),
    ],
    [
      "versions",
      (): Promise<unknown> => world.client.send(new GetObjectCommand({ Bucket, Key, VersionId: "1" })),
    ],
  ])("is said: %s", async (_what, send) => {
    await expect(send()).rejects.toMatchObject({
      name: "NotImplemented",
      message: /The embedded S3 does not implement/,
    });
    expect(await list()).toEqual([]);
  });
});
