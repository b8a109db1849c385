/**
 * Events with what their source looks up in dimension tables.
 *
 * Delivery guarantee: a function of the event alone, so that every retry and the batch give it the same: which rows
 * count is decided by its time. A later version of a table counts for times that no event can have before every
 * consumer reads of it: an event is at most a day ahead of its arrival, and a version begins two days after it is
 * recorded. So the version found after the events were read holds all that counts for them.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { lookupKey, type LookupVersion } from "../../src/model/control.ts";
import { type LookupTable, lookupTables } from "../../src/model/lookup.ts";
import { enricher, indexRows, type RowIndex, unpackRows } from "../../src/model/lookup-rows.ts";
import type { Source } from "../../src/model/source.ts";
import { type Effects, untilDone } from "./effects.ts";
import type { DecodedEvent } from "./wire.ts";

export interface Enricher {
  /**
   * Sets what is looked up in the events themselves: just decoded, they are nobody else's yet. Resolves to the same.
   * Waits for the first refresh where it has not recorded the tables yet; rejects when asked to stop meanwhile.
   */
  enrich(events: readonly DecodedEvent[]): Promise<readonly DecodedEvent[]>;
}

export interface EnricherOptions {
  readonly source: Source;
  readonly control: ControlStore;
  readonly lake: Lake;
  readonly effects: Effects;
}

interface LoadedVersion {
  readonly folder: string;
  readonly index: RowIndex;
}

const pollMs = 500; // how often a missing version is looked for

export function lookupEnricher(options: EnricherOptions): Enricher {
  const tables = lookupTables(options.source.lookups);
  if (tables.length === 0) return { enrich: async (events) => events };
  const loaded = new Map<string, LoadedVersion>();
  return {
    enrich: async (events) => {
      if (events.length === 0) return events;
      const found = new Map<string, LoadedVersion>();
      for (const table of tables) found.set(table.id, await currentVersion(options, table, loaded));
      const enrich = enricher(options.source, ({ id }) => found.get(id)!.index);
      for (const { event } of events) enrich(event);
      return events;
    },
  };
}

async function currentVersion(
  options: EnricherOptions,
  table: LookupTable,
  loaded: Map<string, LoadedVersion>,
): Promise<LoadedVersion> {
  const { effects } = options;
  for (let waited = false; ; waited = true) {
    const version = await untilDone(effects, "Reading a lookup", () => readVersion(options, table, loaded));
    if (version !== null) return version;
    const name = `${table.database}.${table.name}`;
    if (!waited) effects.log.warn({ table: name }, "Events wait for the first refresh to record a lookup");
    await effects.wait(pollMs, effects.signal);
    if (effects.signal.aborted) throw new Error(`Asked to stop while waiting for the lookup in ${name}.`);
  }
}

/** The rows are immutable and read once per version; null before the first one. */
async function readVersion(
  { source, control, lake }: EnricherOptions,
  table: LookupTable,
  loaded: Map<string, LoadedVersion>,
): Promise<LoadedVersion | null> {
  const document = await control.get<LookupVersion>(lookupKey(source, table));
  if (document === null) return null;
  const { folder } = document.value;
  const known = loaded.get(table.id);
  if (known?.folder === folder) return known;
  const packed = Buffer.from(await lake.read(`${folder}rows.json`)).toString();
  const version = { folder, index: indexRows(unpackRows(table, packed)) };
  loaded.set(table.id, version);
  return version;
}
