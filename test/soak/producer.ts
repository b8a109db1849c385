/** A producer with a steady pace that knows exactly what the stream holds. */
import { setTimeout as wait } from "node:timers/promises";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { type PackedRecord, randomRecord, Recount } from "./readings.ts";

export interface Production {
  /** Of what was acknowledged so far. */
  readonly recount: Recount;
  /** Puts no more. Resolves to the recount of all that the stream holds. */
  stop(): Promise<Recount>;
}

const linesPerRecord = 100;
const recordsPerPut = 25;
const pauseMs = 50;

/** `stream` makes one attempt per call: a put that is not answered may be stored, and the stream itself must tell. */
export function produceAt(stream: EventStream, eventsPerSecond: number): Production {
  const recount = new Recount();
  const unknown = new Map<number, PackedRecord>();
  const stopping = new AbortController();
  const put = async (packed: readonly PackedRecord[]): Promise<void> => {
    const entries = packed.map(({ plant, data }) => ({ partitionKey: plant, data }));
    try {
      await stream.put(entries);
      for (const record of packed) recount.add(record);
    } catch {
      for (const record of packed) unknown.set(record.number, record);
    }
  };
  const producing = putSteadily(put, eventsPerSecond / linesPerRecord, stopping.signal);
  return {
    recount,
    stop: async () => {
      stopping.abort();
      await producing;
      if (unknown.size > 0)
        for (const number of await storedNumbers(stream)) addOnce(recount, unknown, number);
      return recount;
    },
  };
}

async function putSteadily(
  put: (packed: readonly PackedRecord[]) => Promise<void>,
  recordsPerSecond: number,
  signal: AbortSignal,
): Promise<void> {
  const beganAt = Date.now();
  for (let records = 0; !signal.aborted; ) {
    const due = Math.floor(((Date.now() - beganAt) / 1_000) * recordsPerSecond);
    const count = Math.min(recordsPerPut, due - records);
    if (count === 0) await wait(pauseMs);
    else await put(Array.from({ length: count }, () => randomRecord(records++, linesPerRecord, Date.now())));
  }
}

function addOnce(recount: Recount, unknown: ReadonlyMap<number, PackedRecord>, number: number): void {
  const record = unknown.get(number);
  if (record !== undefined) recount.add(record);
}

async function storedNumbers(stream: EventStream): Promise<number[]> {
  const numbers: number[] = [];
  for (const { id } of await stream.shards()) {
    let iterator: string | null = await stream.iterator(id, null);
    while (iterator !== null) {
      const fetched = await stream.fetch(iterator);
      if (fetched === "expired") throw new Error("An iterator in use expired.");
      for (const { data } of fetched.records)
        numbers.push(Number(/"record":(\d+)\}/.exec(Buffer.from(data).toString())![1]));
      iterator = fetched.millisBehindLatest === 0 ? null : fetched.next;
    }
  }
  return numbers;
}
