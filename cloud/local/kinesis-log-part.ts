import type { Frame } from "./kinesis-frame.ts";
import { frameBytes, frameIsIntact, walkFrames } from "./kinesis-frame.ts";
import { SparseIndex } from "./kinesis-index.ts";
import type { Segment } from "./kinesis-segment.ts";

/** A segment as the log sees it; all positions are those of the log. */
export interface Part {
  readonly segment: Segment;
  /** Position behind the last frame that is written. */
  end: number;
  /** Made when first asked for; kept up by the log while it writes. */
  index: Promise<SparseIndex> | undefined;
}

const blockBytes = 256 * 1_024; // what one read of a segment fetches
const scanBytes = 4 * 1_048_576;

/** A part that holds nothing yet. */
export function newPart(segment: Segment): Part {
  return { segment, end: segment.base, index: Promise.resolve(new SparseIndex()) };
}

/** A part found on opening; what it says about its length is believed. */
export function foundPart(segment: Segment): Part {
  return { segment, end: segment.base + segment.initialBytes, index: undefined };
}

/**
 * Checks the last part of a log against its checksums and cuts off what a crash left of an unfinished write.
 * Resolves to the arrival (ms) of the log's last record, 0 where it has none.
 */
export async function recoverTail(parts: readonly Part[]): Promise<number> {
  const last = parts.at(-1);
  if (last === undefined) return 0;
  const scanned = await scan(last, (block, frame) => frameIsIntact(block, frame));
  if (scanned.end < last.end) await last.segment.truncate(scanned.end - last.segment.base);
  last.end = scanned.end;
  last.index = Promise.resolve(scanned.index);
  const youngest = parts.findLast((part) => part.end > part.segment.base);
  return youngest === undefined ? 0 : (await indexOf(youngest)).lastArrival;
}

/** The index of a part. */
export function indexOf(part: Part): Promise<SparseIndex> {
  part.index ??= scan(part, () => true).then((scanned) => scanned.index);
  part.index.catch(() => (part.index = undefined));
  return part.index;
}

/** When the first record of a part that is not empty arrived, ms. */
export async function firstArrival(part: Part): Promise<number> {
  if (part.index !== undefined) return (await part.index).firstArrival ?? 0;
  let arrival = 0;
  walkFrames(await readWhole(part, part.segment.base, blockBytes), (frame) => {
    arrival = frame.arrival;
    return false;
  });
  return arrival;
}

/**
 * The first frame from a known one on that is wanted: its position, and a block that begins with it and holds it as
 * a whole. Resolves to the end of the part and an empty block where there is none.
 */
export async function findFrame(
  part: Part,
  from: number,
  wanted: (position: number, frame: Frame) => boolean,
): Promise<{ position: number; block: Buffer }> {
  let found = false;
  for (let base = from; base < part.end; ) {
    const block = await readWhole(part, base, blockBytes);
    const passed = walkFrames(block, (frame) => !(found = wanted(base + frame.start, frame)));
    if (found) return { position: base + passed, block: block.subarray(passed) };
    if (passed === 0) throw new Error(`The log of this shard is damaged at position ${base}`);
    base += passed;
  }
  return { position: part.end, block: Buffer.alloc(0) };
}

async function scan(part: Part, intact: (block: Buffer, frame: Frame) => boolean) {
  const index = new SparseIndex();
  let [position, whole] = [part.segment.base, true];
  while (whole && position < part.end) {
    const block = await readWhole(part, position, scanBytes);
    const passed = walkFrames(block, (frame) => {
      whole = intact(block, frame);
      if (!whole) return false;
      index.add(position + frame.start, frame.arrival);
      return true;
    });
    whole &&= passed > 0;
    position += passed;
  }
  return { index, end: position };
}

/** A block from a frame's position on, longer than asked for where that frame is. */
async function readWhole(part: Part, position: number, bytes: number): Promise<Buffer> {
  const at = position - part.segment.base;
  const available = part.end - position;
  const block = await part.segment.read(at, Math.min(bytes, available));
  const needed = Math.min(frameBytes(block), available);
  return needed <= block.length ? block : part.segment.read(at, needed);
}
