/** What only the embedded S3 can show: its files, killed processes, clients that leave, requests no SDK would send. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectAclCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startS3 } from "../../cloud/local/s3.ts";
import type { S3Endpoint } from "../../cloud/local/s3.ts";

const Bucket = "lake";
let folder: string;
let s3: S3Endpoint;
let client: S3Client;

const clientOf = (endpoint: string): S3Client =>
  new S3Client({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    forcePathStyle: true,
    maxAttempts: 1,
  });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sluice-s3-"));
  s3 = await startS3({ folder });
  client = clientOf(s3.endpoint);
});
beforeEach(async () => {
  await rm(fileOf(""), { recursive: true, force: true });
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await s3.close();
  await rm(folder, { recursive: true });
});

const fileOf = (key: string): string => path.join(folder, Bucket, key);
const uploads = (): Promise<string[]> => readdir(path.join(folder, ".uploads"));
const put = (Key: string, Body: string): Promise<unknown> =>
  client.send(new PutObjectCommand({ Bucket, Key, Body }));
const get = async (Key: string): Promise<string> =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString() ?? "";
const etagOf = async (Key: string): Promise<string | undefined> =>
  (await client.send(new HeadObjectCommand({ Bucket, Key }))).ETag;
const list = async (from = client): Promise<string[]> =>
  ((await from.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key ?? "");

describe("files", () => {
  it("are objects, whoever wrote them, and objects are files", async () => {
    await mkdir(fileOf("flights/day=1"), { recursive: true });
    await writeFile(fileOf("flights/day=1/a.parquet"), "written behind its back");
    expect(await list()).toEqual(["flights/day=1/a.parquet"]);
    expect(await get("flights/day=1/a.parquet")).toBe("written behind its back");
    await put("flights/day=2/b.parquet", "put");
    expect(await readFile(fileOf("flights/day=2/b.parquet"), "utf8")).toBe("put");
  });

  it("change their ETag when they are rewritten, even at the same size", async () => {
    await put("key", "1");
    const before = await etagOf("key");
    await writeFile(fileOf("key"), "2");
    expect(await etagOf("key")).not.toBe(before);
  });

  it("put in quick succession have times of their own, so that their ETags differ at the same size", async () => {
    const keys = Array.from({ length: 200 }, (_, n) => `key${n}`);
    await Promise.all(keys.map((key) => put(key, "x")));
    const times = await Promise.all(
      keys.map(async (key) => (await stat(fileOf(key), { bigint: true })).mtimeNs),
    );
    expect(new Set(times).size).toBe(200);
  });

  it("leave no empty folders behind, and those that others leave are no objects", async () => {
    await put("a/b/c", "x");
    await client.send(new DeleteObjectCommand({ Bucket, Key: "a/b/c" }));
    expect(await readdir(fileOf(""))).toEqual([]);
    await mkdir(fileOf("empty/deep"), { recursive: true });
    const grouped = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
    expect(grouped.KeyCount).toBe(0);
    await put("empty", "in the place of an empty folder");
    expect(await list()).toEqual(["empty"]);
    await client.send(new DeleteObjectCommand({ Bucket, Key: "empty" }));
    await mkdir(fileOf("empty/deep"), { recursive: true });
    await client.send(new DeleteBucketCommand({ Bucket }));
    expect(await readdir(folder)).toEqual([".uploads"]);
  });

  it("that are links are no objects", async () => {
    const secret = path.join(folder, "secret");
    await writeFile(secret, "outside");
    await symlink(secret, fileOf("link"));
    expect(await list()).toEqual([]);
    await expect(get("link")).rejects.toMatchObject({ name: "NoSuchKey" });
    await put("link", "inside");
    expect(await readFile(secret, "utf8")).toBe("outside");
    await rm(secret);
  });

  it("are seen whole by readers while writers replace them", async () => {
    const version = (n: number): string => String(n).repeat(300_000);
    await put("hot/key", version(0));
    const writers = [1, 2, 3].map(async (n) => {
      for (let round = 0; round < 10; round++) await put("hot/key", version(n));
    });
    const readers = [1, 2].map(async () => {
      for (let round = 0; round < 15; round++) {
        const content = await get("hot/key");
        expect(content).toBe(version(Number(content[0])));
      }
    });
    await Promise.all([...writers, ...readers]);
  });

  it("can be put while their neighbours are deleted", async () => {
    const cycles = Array.from({ length: 8 }, async (_, n) => {
      for (let round = 0; round < 20; round++) {
        await put(`shared/folder/${n}`, "x");
        await client.send(new DeleteObjectCommand({ Bucket, Key: `shared/folder/${n}` }));
      }
    });
    await Promise.all(cycles);
    expect(await readdir(fileOf(""))).toEqual([]);
  });
});

describe("keys that no file can have", () => {
  it("are refused when they lead out of the bucket, however they are written", async () => {
    const outside = path.join(folder, "outside");
    await mkdir(outside);
    await writeFile(path.join(outside, "secret"), "kept");
    for (const key of ["../outside/secret", "a/../../outside/secret", "..", ".", "a/./b"]) {
      await expect(put(key, "overwritten")).rejects.toMatchObject({ name: "InvalidArgument" });
    }
    const encoded = [
      "%2e%2e/outside/secret",
      "%2e%2e%2Foutside%2Fsecret",
      "a/..%2f../%2e%2e/outside/secret",
      "%00",
    ];
    for (const escape of [...encoded, "../outside/secret"]) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        expect((await raw(method, `/lake/${escape}`, { body: "overwritten" })).status).toBe(400);
      }
    }
    for (const escape of ["/../etc/passwd", "/%2e%2e/x", "/.uploads/x", "/lake%2F..%2Foutside/secret"]) {
      expect((await raw("GET", escape)).status).toBe(400);
    }
    expect((await raw("GET", "/lake/%ff")).body).toContain("InvalidURI");
    const copy = { "x-amz-copy-source": "lake/../outside/secret" };
    expect((await raw("PUT", "/lake/copied", { headers: copy })).body).toContain("InvalidArgument");
    const Objects = [{ Key: "../outside/secret" }];
    const { Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(Errors).toMatchObject([{ Code: "InvalidArgument" }]);
    expect(await readFile(path.join(outside, "secret"), "utf8")).toBe("kept");
    expect(await list()).toEqual([]);
    await rm(outside, { recursive: true });
  });

  it("are refused at the end of a folder's name and with an empty part", async () => {
    for (const key of ["folder/", "a//b", "/a"]) {
      await expect(put(key, "x")).rejects.toMatchObject({ name: "InvalidArgument" });
      await expect(get(key)).rejects.toMatchObject({ name: "NoSuchKey" });
      await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    }
    await expect(put("x".repeat(256), "x")).rejects.toMatchObject({ name: "KeyTooLongError" });
    expect(await uploads()).toEqual([]);
  });

  it("are refused when another key is a folder of theirs, or below them", async () => {
    await put("a/b", "x");
    for (const key of ["a", "a/b/c", "a/b/c/d"]) {
      await expect(put(key, "y")).rejects.toMatchObject({ name: "InvalidRequest", message: /another key/ });
      const creation = new PutObjectCommand({ Bucket, Key: key, Body: "y", IfNoneMatch: "*" });
      await expect(client.send(creation)).rejects.toMatchObject({ name: "InvalidRequest" });
    }
    expect(await list()).toEqual(["a/b"]);
    await client.send(new DeleteObjectCommand({ Bucket, Key: "a" }));
    expect(await get("a/b")).toBe("x");
    await expect(get("a")).rejects.toMatchObject({ name: "NoSuchKey" });
  });
});

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
    await expect.poll(uploads).toEqual([]);
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
    const socket = connect(Number(new URL(s3.endpoint).port), "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }
});

describe("a process that is killed", () => {
  const program = `
    const { startS3 } = await import(process.argv[1]);
    console.log((await startS3({ folder: process.argv[2] })).endpoint);
  `;

  it("leaves every answered object and no part of another one", async () => {
    const own = await mkdtemp(path.join(tmpdir(), "sluice-s3-killed-"));
    const module = new URL("../../cloud/local/s3.ts", import.meta.url).href;
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", program, module, own],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const endpoint = line.toString().trim();
    const doomed = clientOf(endpoint);
    await doomed.send(new CreateBucketCommand({ Bucket }));
    const unfinished = connect(Number(new URL(endpoint).port), "127.0.0.1").on("error", () => undefined);
    unfinished.write(
      "PUT /lake/part HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 x\r\ncontent-length: 99\r\n\r\npart",
    );
    await expect.poll(() => readdir(path.join(own, ".uploads"))).toHaveLength(1);
    const answered: string[] = [];
    for (let n = 0; n < 50; n++) {
      await doomed.send(new PutObjectCommand({ Bucket, Key: `kept/${n}`, Body: String(n) }));
      answered.push(`kept/${n}`);
    }
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    expect(await readdir(path.join(own, ".uploads"))).toHaveLength(1);

    const again = await startS3({ folder: own });
    expect(await readdir(path.join(own, ".uploads"))).toEqual([]);
    expect((await list(clientOf(again.endpoint))).toSorted()).toEqual(answered.toSorted());
    await again.close();
    await rm(own, { recursive: true });
  });
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
    expect(await uploads()).toEqual([]);
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
    const refused = client.send(new PutObjectCommand({ Bucket: "absent", Key: "key", Body }));
    await expect(refused).rejects.toMatchObject({ name: "NoSuchBucket" });
  });
});

describe("what is not implemented", () => {
  const Key = "key";
  it.each([
    [
      "multipart uploads",
      (): Promise<unknown> => client.send(new CreateMultipartUploadCommand({ Bucket, Key })),
    ],
    [
      "access control lists",
      (): Promise<unknown> => client.send(new PutObjectAclCommand({ Bucket, Key, ACL: "private" })),
    ],
    ["the first ListObjects", (): Promise<unknown> => client.send(new ListObjectsCommand({ Bucket }))],
    ["ListBuckets", (): Promise<unknown> => client.send(new ListBucketsCommand({}))],
    [
      "metadata",
      (): Promise<unknown> =>
        client.send(new PutObjectCommand({ Bucket, Key, Body: "x", Metadata: { a: "b" } })),
    ],
    [
      "content encodings",
      (): Promise<unknown> =>
        client.send(new PutObjectCommand({ Bucket, Key, Body: "x", ContentEncoding: "gzip" })),
    ],
    [
      "If-Match on writes",
      (): Promise<unknown> => client.send(new PutObjectCommand({ Bucket, Key, Body: "x", IfMatch: '"a"' })),
    ],
    ["versions", (): Promise<unknown> => client.send(new GetObjectCommand({ Bucket, Key, VersionId: "1" }))],
  ])("is said: %s", async (_what, send) => {
    await expect(send()).rejects.toMatchObject({
      name: "NotImplemented",
      message: /The embedded S3 does not implement/,
    });
    expect(await list()).toEqual([]);
  });
});

/** The path as it stands, which `fetch` would normalise. */
async function raw(
  method: string,
  target: string,
  { headers = {}, body }: { headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<{ status: number; body: string }> {
  const outgoing = request(s3.endpoint, {
    method,
    path: target,
    headers: {
      authorization: "AWS4-HMAC-SHA256 x",
      ...(body !== undefined && { "content-length": body.length }),
      ...headers,
    },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, "response");
  return { status: response.statusCode, body: await text(response) };
}
