/** What `sluice explain` tells of fields: collected while they resolve, by object and by how they are answered. */
import { type ItemKey, itemId } from "../model/layout.ts";
import type { Scope } from "../model/scope.ts";
import type { Source } from "../model/source.ts";
import { formatInstant, type Range, type StoredGrain } from "../model/time.ts";
import { adviceFor, groupsAdvice, reasonFor } from "../sql/advice.ts";
import { planGroups } from "../sql/plan-groups.ts";
import { type Piece, reachesLive, showRollups, type StoredPlan, type UnstoredPlan } from "../sql/plan.ts";
import type { AdHocAsk } from "./ad-hoc/questions.ts";
import type { PosedGroups } from "./groups.ts";
import type { SegmentPart } from "./segment-parts.ts";
import { itemsOf } from "./stored-state.ts";
import type { Trace, TracedField } from "./trace.ts";

/** The fields of one object that are answered alike; the items of a list count as one object. */
export interface ExplainedFields {
  readonly path: string;
  /** As in the query: `late: lateFlights` where there is an alias. */
  readonly fields: readonly string[];
  readonly product: string;
  /** Null where nobody is asked: the range holds nothing that is covered. */
  readonly source: "EDITION" | "LIVE" | "ATHENA" | null;
  /** Where the first range begins and the last one ends, UTC. */
  readonly from: string;
  readonly to: string;
  /** How many there are: a series has one per bucket. */
  readonly ranges: number;
  readonly stored?: StoredFields;
  readonly asked?: AskedFields;
}

export interface StoredFields {
  readonly rollup: string;
  readonly buckets: readonly ExplainedBuckets[];
  /** Items of DynamoDB, `pk sk`. */
  readonly keys: readonly string[];
}

export interface ExplainedBuckets {
  readonly grain: StoredGrain;
  readonly count: number;
  readonly firstPeriod: string;
  readonly lastPeriod: string;
}

export interface AskedFields {
  /** Positions in the list of statements, from 1. */
  readonly statements: readonly number[];
  /** Why no rollup serves it. */
  readonly reason: string;
  /** What would have it served by one. */
  readonly advice: readonly string[];
}

/** In the list of statements, from 1. */
export interface Positions {
  of(ask: AdHocAsk): number;
  /** Of the statements that ask for pages of groups of a source. */
  ofPages(source: Source): readonly number[];
}

export const keyText = ({ pk, sk }: ItemKey): string => `${pk} ${sk}`;

interface Entry {
  readonly first: TracedField;
  readonly source: ExplainedFields["source"];
  readonly plan: StoredPlan | UnstoredPlan;
  readonly names: Set<string>;
  readonly ranges: Map<string, Range>;
  /** Each bucket once. */
  readonly buckets: Map<string, { readonly grain: StoredGrain; readonly period: string }>;
  readonly keys: Map<string, ItemKey>;
  readonly asks: Set<AdHocAsk>;
  /** It is asked for with the groups of its page. */
  isOfPage: boolean;
}

/** Where the groups of a field come from, and which there are. */
export interface ExplainedGroups {
  readonly path: string;
  readonly product: string;
  readonly dimensions: readonly string[];
  readonly from: string;
  readonly to: string;
  /** The rollup whose keys they are; null where Athena is asked. */
  readonly rollup: string | null;
  /** Why Athena is. */
  readonly reason: string | null;
  readonly advice: readonly string[];
}

export class FieldRecord implements Trace {
  readonly groups: ExplainedGroups[] = [];
  readonly #scope: Scope;
  readonly #entries = new Map<string, Entry>();

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  stored(field: TracedField, plan: StoredPlan, segments: readonly SegmentPart[]): void {
    const { product, snapshot, range, view } = field.posed;
    const items = itemsOf({ product, serving: snapshot.serving, scope: this.#scope }, plan, segments);
    const add = (source: "EDITION" | "LIVE", pieces: readonly Piece[]): void => {
      const entry = this.#entry(field, source, plan.rollup.name, plan);
      for (const { grain, period, first, end } of pieces)
        for (let index = first; index < end; index++)
          entry.buckets.set(`${grain} ${period} ${index}`, { grain, period });
      for (const { key, live } of items) if (live === (source === "LIVE")) entry.keys.set(itemId(key), key);
    };
    const isLive = reachesLive(plan, range, view);
    if (plan.editions.length > 0 || !isLive) add("EDITION", plan.editions);
    if (isLive) add("LIVE", plan.live);
  }

  asked(field: TracedField, plan: StoredPlan | UnstoredPlan, ask: AdHocAsk | "page" | null): void {
    const isOfSlice = field.measure.precomputed && plan.kind === "unstored";
    const entry = this.#entry(
      field,
      ask === null ? null : "ATHENA",
      isOfSlice ? "" : field.measure.name,
      plan,
    );
    if (ask === "page") entry.isOfPage = true;
    else if (ask !== null) entry.asks.add(ask);
  }

  grouped({ product, question, where, range, view, snapshot }: PosedGroups, stored: { kind: string }): void {
    const { dimensions, path } = question;
    const plan = planGroups(snapshot.serving, where, dimensions, range, view);
    const unstored = stored.kind === "unstored" ? (stored as UnstoredPlan) : null;
    this.groups.push({
      path: path.join("."),
      product: product.name,
      dimensions,
      from: formatInstant(range.from),
      to: formatInstant(range.to),
      rollup: unstored === null && plan.kind === "groups" ? showRollups([plan.rollup]) : null,
      reason: unstored?.reason ?? null,
      advice: unstored === null ? [] : groupsAdvice({ product, where, dimensions, range, view }),
    });
  }

  fields(positions: Positions): ExplainedFields[] {
    return [...this.#entries.values()].map((entry) => explained(entry, positions));
  }

  /** Of the same object, source and reason. */
  #entry(field: TracedField, source: Entry["source"], why: string, plan: StoredPlan | UnstoredPlan): Entry {
    const { path, posed, measure } = field;
    const id = JSON.stringify([path.slice(0, -1), posed.product.name, source, why]);
    const entry: Entry = this.#entries.get(id) ?? {
      first: field,
      source,
      plan,
      names: new Set(),
      ranges: new Map(),
      buckets: new Map(),
      keys: new Map(),
      asks: new Set(),
      isOfPage: false,
    };
    this.#entries.set(id, entry);
    const key = path.at(-1)!;
    entry.names.add(key === measure.name ? key : `${key}: ${measure.name}`);
    entry.ranges.set(`${posed.range.from} ${posed.range.to}`, posed.range);
    return entry;
  }
}

function explained(entry: Entry, positions: Positions): ExplainedFields {
  const { first, source, plan } = entry;
  const ranges = [...entry.ranges.values()];
  return {
    path: first.path.slice(0, -1).join("."),
    fields: [...entry.names],
    product: first.posed.product.name,
    source,
    from: formatInstant(Math.min(...ranges.map(({ from }) => from))),
    to: formatInstant(Math.max(...ranges.map(({ to }) => to))),
    ranges: ranges.length,
    ...(plan.kind === "stored" &&
      (source === "EDITION" || source === "LIVE") && { stored: storedFields(entry, plan) }),
    ...(source === "ATHENA" && { asked: askedFields(entry, ranges, positions) }),
  };
}

function storedFields({ buckets, keys }: Entry, { rollup }: StoredPlan): StoredFields {
  const grains = [...new Set([...buckets.values()].map(({ grain }) => grain))];
  return {
    rollup: showRollups([rollup]),
    buckets: grains.map((grain) => {
      const periods = [...buckets.values()]
        .filter((each) => each.grain === grain)
        .map(({ period }) => period);
      const sorted = periods.toSorted();
      return { grain, count: periods.length, firstPeriod: sorted[0]!, lastPeriod: sorted.at(-1)! };
    }),
    keys: [...keys.values()].map(keyText),
  };
}

function askedFields(
  { first: { posed, measure }, plan, asks, isOfPage }: Entry,
  ranges: readonly Range[],
  positions: Positions,
): AskedFields {
  const { product, where, view, snapshot } = posed;
  const ofPages = isOfPage ? positions.ofPages(product.source) : [];
  const statements = new Set([...ofPages, ...[...asks].map((ask) => positions.of(ask))]);
  return {
    statements: [...statements].sort((a, b) => a - b),
    reason: reasonFor({ measure }, plan),
    advice: adviceFor({ product, serving: snapshot.serving, where, ranges, view, measure }),
  };
}
