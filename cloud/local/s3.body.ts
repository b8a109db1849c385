/** The bytes of an upload as the SDKs send them: plain, or `aws-chunked` with checksums in a trailer, both verified. */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";
import { S3Error } from "./s3.errors.ts";

const objectBytes = 5 * 1024 ** 3; // AWS: the most a single PutObject may carry

/** Names and base64 values of verified `x-amz-checksum-*` headers, to be echoed. */
export type Checksums = Readonly<Record<string, string>>;

/**
 * Streams the body's content to `target`. Rejects `BadDigest`, `IncompleteBody` or `InvalidRequest` when it is not what
 * its headers say, and with the socket's error when the client leaves; then what `target` holds is to be thrown away.
 */
export async function receive(request: IncomingMessage, target: NodeJS.WritableStream): Promise<Checksums> {
  const stated = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) stated.set(name, String(value));
  const decoding = isChunked(request) ? [new ChunkedDecoder(stated)] : [];
  const digest = new Digest(stated);
  await pipeline([request, ...decoding, digest, target]);
  return digest.verify();
}

/** The whole of a small body. Rejects `MalformedXML` when it has more than `limit` bytes. */
export async function receiveText(request: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const collect = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      done();
    },
  });
  await receive(request, collect.resume());
  if (bytes > limit)
    throw new S3Error("MalformedXML", `This body may have ${limit} bytes at most, it has ${bytes}.`);
  return Buffer.concat(chunks).toString();
}

const isChunked = ({ headers }: IncomingMessage): boolean =>
  String(headers["x-amz-content-sha256"]).startsWith("STREAMING-") ||
  String(headers["content-encoding"]).includes("aws-chunked");

const nothing = Buffer.alloc(0);

/**
 * `hex-size[;extension]CRLF bytes CRLF … 0 CRLF trailers CRLF`: "Signature calculations for the Authorization header:
 * transferring payload in multiple chunks". Chunk signatures are not verified; trailers are added to `stated`. A
 * malformed body is read to its end before it is refused: a client that is still sending would not see the answer.
 */
class ChunkedDecoder extends Transform {
  #pending: Buffer = nothing;
  #left = 0; // bytes of the current chunk still to come
  #state: "size" | "bytes" | "separator" | "trailers" | "end" = "size";
  #failure: unknown;

  constructor(readonly stated: Map<string, string>) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    try {
      while (this.#failure === undefined && this.#step());
    } catch (error) {
      this.#failure = error;
    }
    if (this.#failure !== undefined) this.#pending = nothing;
    done();
  }

  override _flush(done: (error?: Error) => void): void {
    if (this.#failure instanceof Error) done(this.#failure);
    else done(this.#state === "end" ? undefined : incomplete());
  }

  /** Whether there may be more to do with what is pending. */
  #step(): boolean {
    if (this.#state === "end") return false;
    if (this.#state === "bytes") return this.#bytes();
    const line = this.#line();
    if (line === undefined) return false;
    if (this.#state === "size") this.#size(line);
    else if (this.#state === "trailers") this.#trailer(line);
    else if (line === "") this.#state = "size";
    else throw malformed("a chunk is longer than its size says");
    return true;
  }

  #line(): string | undefined {
    const end = this.#pending.indexOf("\r\n");
    if (end > 16_384 || (end < 0 && this.#pending.length > 16_384)) throw malformed("a line is too long");
    if (end < 0) return undefined;
    const line = this.#pending.toString("latin1", 0, end);
    this.#pending = this.#pending.subarray(end + 2);
    return line;
  }

  #size(line: string): void {
    const digits = /^([0-9a-f]{1,10})(;.*)?$/i.exec(line)?.[1];
    if (digits === undefined) throw malformed(`"${line.slice(0, 40)}" is not the size of a chunk`);
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? "trailers" : "bytes";
  }

  #bytes(): boolean {
    const bytes = this.#pending.subarray(0, this.#left);
    this.#pending = this.#pending.subarray(bytes.length);
    this.#left -= bytes.length;
    if (bytes.length > 0) this.push(bytes);
    if (this.#left > 0) return false;
    this.#state = "separator";
    return true;
  }

  #trailer(line: string): void {
    const colon = line.indexOf(":");
    if (line === "") this.#state = "end";
    else if (colon < 0) throw malformed(`"${line.slice(0, 40)}" is not a trailer`);
    else this.stated.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
}

const malformed = (what: string): S3Error =>
  new S3Error("InvalidRequest", `The body is not valid aws-chunked data: ${what}.`);

const incomplete = (): S3Error =>
  new S3Error("IncompleteBody", "The request body ended before the number of bytes its headers say.");

/** Passes bytes on and computes what the request's headers, and later its trailers, state about them. */
class Digest extends Transform {
  #bytes = 0;
  #crc32 = 0;
  readonly #hashes = new Map<string, Hash>();

  constructor(readonly stated: ReadonlyMap<string, string>) {
    super();
    const announced = `${[...stated.keys()].join(",")},${stated.get("x-amz-trailer") ?? ""}`;
    for (const algorithm of ["sha1", "sha256"]) {
      const name = `x-amz-checksum-${algorithm}`;
      if (announced.includes(name)) this.#hashes.set(name, createHash(algorithm));
    }
    if (stated.has("content-md5")) this.#hashes.set("content-md5", createHash("md5"));
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, data?: Buffer) => void): void {
    this.#bytes += chunk.length;
    if (this.#bytes > objectBytes) return done(null);
    this.#crc32 = crc32(chunk, this.#crc32);
    for (const hash of this.#hashes.values()) hash.update(chunk);
    done(null, chunk);
  }

  verify(): Checksums {
    if (this.#bytes > objectBytes) {
      throw new S3Error(
        "EntityTooLarge",
        `A single PutObject may carry 5 GiB at most, got ${this.#bytes} bytes.`,
      );
    }
    const length = this.stated.get("x-amz-decoded-content-length");
    if (length !== undefined && Number(length) !== this.#bytes) throw incomplete();
    const verified: Record<string, string> = {};
    for (const [name, computed] of this.#computed()) {
      const stated = this.stated.get(name);
      if (stated === undefined) continue;
      if (stated !== computed) {
        throw new S3Error("BadDigest", `The ${name} you specified did not match the calculated checksum.`);
      }
      if (name !== "content-md5") verified[name] = computed;
    }
    return verified;
  }

  #computed(): [string, string][] {
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(this.#crc32);
    const hashes = [...this.#hashes].map(([name, hash]): [string, string] => [name, hash.digest("base64")]);
    return [["x-amz-checksum-crc32", crc.toString("base64")], ...hashes];
  }
}
