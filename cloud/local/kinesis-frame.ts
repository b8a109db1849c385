import { crc32 } from "node:zlib";

/**
 * A record in the log: a header of 20 bytes and the JSON that GetRecords answers, so that reading copies bytes.
 *
 *     0 u32 length of the JSON | 4 u32 CRC-32 of the rest | 8 f64 arrival, ms | 16 u32 payload bytes | 20 JSON
 */
export interface Frame {
  /** Where the frame, its JSON and the next frame begin, relative to the block it was found in. */
  readonly start: number;
  readonly json: number;
  readonly end: number;
  readonly arrival: number;
  /** Bytes of data and partition key: what the limits of Kinesis count. */
  readonly payload: number;
}

const headerBytes = 20;
const maxJsonBytes = 4 * 1_048_576; // a record of 1 MiB in base64 with an escaped key is well below

/** A record that has been checked and waits for its sequence number. */
export interface NewRecord {
  readonly base64: string;
  readonly partitionKey: string;
  readonly payload: number;
}

/** Lays out records one after the other; `sequenceOf` names the record that begins at an offset of the result. */
export function encodeFrames(
  records: readonly NewRecord[],
  arrival: number,
  sequenceOf: (offset: number) => string,
): { bytes: Buffer; sequenceNumbers: string[] } {
  const buffer = Buffer.allocUnsafe(records.reduce((sum, record) => sum + upperBound(record), 0));
  const sequenceNumbers: string[] = [];
  let end = 0;
  for (const record of records) {
    const sequence = sequenceOf(end);
    sequenceNumbers.push(sequence);
    end = writeFrame(buffer, end, recordJson(record, arrival, sequence), arrival, record.payload);
  }
  return { bytes: buffer.subarray(0, end), sequenceNumbers };
}

/** Shows each whole frame of a block to `visit` until that answers false; resolves to the bytes it has passed. */
export function walkFrames(block: Buffer, visit: (frame: Frame) => boolean): number {
  let at = 0;
  for (let frame = frameAt(block, at); frame !== undefined; frame = frameAt(block, at)) {
    if (!visit(frame)) return at;
    at = frame.end;
  }
  return at;
}

/** Bytes that must be read to see the frame at the begin of a block as a whole. */
export function frameBytes(block: Buffer): number {
  return block.length < headerBytes ? headerBytes : headerBytes + block.readUInt32LE(0);
}

/** Whether a frame is what was written: false for a torn or damaged one. */
export function frameIsIntact(block: Buffer, frame: Frame): boolean {
  return crc32(block.subarray(frame.start + 8, frame.end)) === block.readUInt32LE(frame.start + 4);
}

function frameAt(block: Buffer, start: number): Frame | undefined {
  const json = start + headerBytes;
  if (json > block.length) return undefined;
  const length = block.readUInt32LE(start);
  const end = json + length;
  if (length === 0 || length > maxJsonBytes || end > block.length) return undefined;
  return {
    start,
    json,
    end,
    arrival: block.readDoubleLE(start + 8),
    payload: block.readUInt32LE(start + 16),
  };
}

function writeFrame(buffer: Buffer, start: number, json: string, arrival: number, payload: number): number {
  const length = buffer.write(json, start + headerBytes);
  const end = start + headerBytes + length;
  buffer.writeUInt32LE(length, start);
  buffer.writeDoubleLE(arrival, start + 8);
  buffer.writeUInt32LE(payload, start + 16);
  buffer.writeUInt32LE(crc32(buffer.subarray(start + 8, end)), start + 4);
  return end;
}

function recordJson(record: NewRecord, arrival: number, sequence: string): string {
  return (
    `{"SequenceNumber":"${sequence}","ApproximateArrivalTimestamp":${arrival / 1_000},` +
    `"Data":"${record.base64}","PartitionKey":${JSON.stringify(record.partitionKey)}}`
  );
}

// JSON takes at most six bytes for one UTF-16 unit of the key (\u0000); names, numbers and braces stay below 200
function upperBound(record: NewRecord): number {
  return headerBytes + 200 + record.base64.length + 6 * record.partitionKey.length;
}
