/**
 * The core of the micro-batches beside the floor under it: JSON.parse of the same bytes and one increment in a Map per
 * event. Both go over the same windows, turn and turn about; what is sent is CPU µs per event, medians.
 */
import { lookupEnricher } from "../etl/live/enrich.ts";
import { foldItem, groupByItem, liveTargets } from "../etl/live/fold.ts";
import { type DecodedEvent, decodeRecords } from "../etl/live/wire.ts";
import type { StreamRecord } from "../src/backends/event-stream.ts";
import type { LiveItem } from "../src/backends/insight-store.ts";
import { itemId } from "../src/model/layout.ts";
import { lookupTables } from "../src/model/lookup.ts";
import { packRows } from "../src/model/lookup-rows.ts";
import { sortableSequence } from "../src/model/sequence.ts";
import { type LiveSubject, liveSubject, replayedEvents, sampleRows } from "./live-events.ts";
import { ownCpu } from "./processes.ts";

const stages = ["decode", "enrich", "group", "fold"] as const;
export type Stage = (typeof stages)[number];

export interface CoreFigures {
  readonly shape: string;
  readonly bytesPerEvent: number;
  readonly itemsPerWindow: number;
  readonly floor: number;
  readonly pipeline: number;
  readonly stages: Readonly<Record<Stage, number>>;
}

const windows = 10;
const windowEvents = 5_000;
const packedEvents = 250; // events of a packed record
const rounds = 31; // odd, for the median
const warmUps = 10; // rounds before

const subject = await liveSubject();
const { source, products } = subject;
const targets = liveTargets(products);
const enricher = await loadedEnricher(subject);
const events = await replayedEvents(subject, windows * windowEvents);
const figures = [await measure("one event per record", 1), await measure("packed records", packedEvents)];
process.send?.(figures);
process.disconnect?.();

async function loadedEnricher({ source: { lookups } }: LiveSubject) {
  const packed = new Map<string, Uint8Array>();
  for (const table of lookupTables(lookups))
    packed.set(`${table.id}/rows.json`, Buffer.from(packRows(await sampleRows(table))));
  const never = (): never => {
    throw new Error("Only rows of lookups are read here.");
  };
  const get = async ({ sk }: { readonly sk: string }) => ({
    value: { folder: `${sk}/` } as never,
    revision: 1,
  });
  return lookupEnricher({
    source,
    control: { get, put: never, remove: never, list: never },
    lake: {
      read: async (key) => packed.get(key)!,
      list: never,
      write: never,
      copy: never,
      remove: never,
      url: never,
      key: never,
    },
    effects: {
      clock: Date.now,
      random: Math.random,
      wait: never,
      log: { info: () => {}, warn: never, error: never },
      signal: new AbortController().signal,
    },
  });
}

async function measure(shape: string, perRecord: number): Promise<CoreFigures> {
  const batches = Array.from({ length: windows }, (_, i) =>
    recordsOf(events.slice(i * windowEvents, (i + 1) * windowEvents), perRecord, i),
  );
  const floors: number[] = [];
  const pipelines: number[] = [];
  const profile = Object.fromEntries(stages.map((stage) => [stage, [] as number[]]));
  let items = 0;
  for (let round = -warmUps; round < rounds; round++) {
    const floor = floorOf(batches, perRecord);
    const spent = await pipelineOf(batches);
    items = spent.items;
    if (round < 0) continue;
    floors.push(floor);
    pipelines.push(stages.reduce((sum, stage) => sum + spent[stage], 0));
    for (const stage of stages) profile[stage]!.push(spent[stage]);
  }
  const bytes = batches.flat().reduce((sum, { data }) => sum + data.length, 0);
  return {
    shape,
    bytesPerEvent: bytes / events.length,
    itemsPerWindow: items / windows,
    floor: perEvent(floors),
    pipeline: perEvent(pipelines),
    stages: Object.fromEntries(
      stages.map((stage) => [stage, perEvent(profile[stage]!)]),
    ) as CoreFigures["stages"],
  };
}

/** Records as the stream gives them: bytes, sortable sequences and arrival stamps. */
function recordsOf(lines: readonly Uint8Array[], perRecord: number, window: number): StreamRecord[] {
  const records: StreamRecord[] = [];
  for (let i = 0; i < lines.length; i += perRecord) {
    const text = lines.slice(i, i + perRecord).map((line) => Buffer.from(line).toString());
    const number = 49_600_000_000n * 10n ** 45n + BigInt(window * windowEvents + i);
    records.push({
      sequence: sortableSequence(String(number)),
      arrival: Date.now(),
      data: Buffer.from(text.join("\n")),
    });
  }
  return records;
}

/** CPU seconds. */
function floorOf(batches: readonly (readonly StreamRecord[])[], perRecord: number): number {
  const counts = new Map<string, number>();
  const name = source.ownColumns.find(({ type }) => type === "string")!.name;
  const before = ownCpu();
  for (const records of batches)
    for (const { data } of records) {
      const text = (data as Buffer).toString();
      for (const line of perRecord === 1 ? [text] : text.split("\n")) {
        const { event } = JSON.parse(line) as { readonly event: Readonly<Record<string, string>> };
        const key = event[name]!;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  return ownCpu() - before;
}

/** CPU seconds per stage, and the items touched, window after window into the same items. */
async function pipelineOf(
  batches: readonly (readonly StreamRecord[])[],
): Promise<Record<Stage | "items", number>> {
  const images = new Map<string, LiveItem>();
  const spent = { decode: 0, enrich: 0, group: 0, fold: 0, items: 0 };
  let before = ownCpu();
  const done = (stage: Stage): void => {
    const now = ownCpu();
    spent[stage] += now - before;
    before = now;
  };
  for (const [version, records] of batches.entries()) {
    const decoded: DecodedEvent[] = [];
    for (const record of decodeRecords(source, records))
      for (const event of record.events) decoded.push(event);
    done("decode");
    const enriched = await enricher.enrich(decoded);
    done("enrich");
    const items = groupByItem(targets, enriched);
    done("group");
    // an image as last seen is the applier's
    const seen = items.map(({ key }) => images.get(itemId(key)) ?? null);
    before = ownCpu();
    const folded = items.map((item, i) => foldItem(seen[i]!, item, "shardId-000000000000", version)!);
    done("fold");
    for (const image of folded) images.set(itemId(image), image);
    spent.items += items.length;
    before = ownCpu();
  }
  return spent;
}

/** The median in µs per event. */
function perEvent(seconds: readonly number[]): number {
  return (seconds.toSorted((a, b) => a - b)[seconds.length >> 1]! / events.length) * 1e6;
}
