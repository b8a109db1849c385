import { crc32 } from "node:zlib";

/**
 * Opaque tokens that hold all they mean, so that they outlive a restart of the server: base64 of a checksum and the
 * JSON of the parts. The checksum tells a mangled token from a real one; it is no protection against forgery.
 */
export function sealToken(parts: readonly (string | number)[]): string {
  const json = Buffer.from(JSON.stringify(parts));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(json));
  return Buffer.concat([checksum, json]).toString("base64");
}

/** The parts of a token; undefined where it is none of ours. */
export function openToken(token: string): readonly unknown[] | undefined {
  const bytes = Buffer.from(token, "base64");
  const json = bytes.subarray(4);
  if (bytes.length < 5 || crc32(json) !== bytes.readUInt32BE(0)) return undefined;
  const parts: unknown = JSON.parse(json.toString());
  return Array.isArray(parts) ? parts : undefined;
}

export const tokenLifeMs = 300_000; // shard iterators and list tokens alike
