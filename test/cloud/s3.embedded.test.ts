/** What only the embedded S3 can show: its files, which keys it refuses, what a killed process leaves. */
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { startS3 } from "../../cloud/local/s3.ts";
import { endpointProcess } from "./endpoint-process.ts";
import { onceClientOf } from "./s3.target.ts";
import { Bucket, s3World } from "./s3.world.ts";

const world = s3World();
const { fileOf, uploads, put, get, etagOf, list, raw } = world;

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
    await world.client.send(new DeleteObjectCommand({ Bucket, Key: "a/b/c" }));
    expect(await readdir(fileOf(""))).toEqual([]);
    await mkdir(fileOf("empty/deep"), { recursive: true });
    const grouped = await world.client.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
    expect(grouped.KeyCount).toBe(0);
    await put("empty", "in the place of an empty folder");
    expect(await list()).toEqual(["empty"]);
    await world.client.send(new DeleteObjectCommand({ Bucket, Key: "empty" }));
    await mkdir(fileOf("empty/deep"), { recursive: true });
    await world.client.send(new DeleteBucketCommand({ Bucket }));
    expect(await readdir(world.folder)).toEqual([".uploads"]);
  });

  it("that are links are no objects", async () => {
    const secret = path.join(world.folder, "secret");
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
        await world.client.send(new DeleteObjectCommand({ Bucket, Key: `shared/folder/${n}` }));
      }
    });
    await Promise.all(cycles);
    expect(await readdir(fileOf(""))).toEqual([]);
  });
});

describe("keys that no file can have", () => {
  it("are refused when they lead out of the bucket, however they are written", async () => {
    const outside = path.join(world.folder, "outside");
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
    const { Errors } = await world.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(Errors).toMatchObject([{ Code: "InvalidArgument" }]);
    expect(await readFile(path.join(outside, "secret"), "utf8")).toBe("kept");
    expect(await list()).toEqual([]);
    await rm(outside, { recursive: true });
  });

  it("are refused at the end of a folder's name and with an empty part", async () => {
    for (const key of ["folder/", "a//b", "/a"]) {
      await expect(put(key, "x")).rejects.toMatchObject({ name: "InvalidArgument" });
      await expect(get(key)).rejects.toMatchObject({ name: "NoSuchKey" });
      await world.client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    }
    await expect(put("x".repeat(256), "x")).rejects.toMatchObject({ name: "KeyTooLongError" });
    await expect.poll(uploads, { timeout: 10_000 }).toEqual([]);
  });

  it("are refused when another key is a folder of theirs, or below them", async () => {
    await put("a/b", "x");
    for (const key of ["a", "a/b/c", "a/b/c/d"]) {
      await expect(put(key, "y")).rejects.toMatchObject({ name: "InvalidRequest", message: /another key/ });
      const creation = new PutObjectCommand({ Bucket, Key: key, Body: "y", IfNoneMatch: "*" });
      await expect(world.client.send(creation)).rejects.toMatchObject({ name: "InvalidRequest" });
    }
    expect(await list()).toEqual(["a/b"]);
    await world.client.send(new DeleteObjectCommand({ Bucket, Key: "a" }));
    expect(await get("a/b")).toBe("x");
    await expect(get("a")).rejects.toMatchObject({ name: "NoSuchKey" });
  });
});

describe("a process that is killed", () => {
  it("leaves every answered object and no part of another one", async () => {
    const own = await mkdtemp(path.join(tmpdir(), "sluice-s3-killed-"));
    const { child, endpoint: listening } = endpointProcess("s3", own);
    const endpoint = await listening;
    const doomed = onceClientOf(endpoint);
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
    expect((await list(onceClientOf(again.endpoint))).toSorted()).toEqual(answered.toSorted());
    await again.close();
    await rm(own, { recursive: true });
  });
});
