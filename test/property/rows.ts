/** Random rows of both sources, and the columns of their truth. Imports nothing of `src`. */
import { pick, type Random } from "./random.ts";
import type { Cell, Row } from "./truth.ts";

export const columnTypes = {
  sightings: `"at" TIMESTAMP, site VARCHAR, kind VARCHAR, tame BOOLEAN, level BIGINT, "value" DOUBLE, weight DOUBLE,
    tagged TIMESTAMP, family VARCHAR`,
  parcels: `"at" TIMESTAMP, carrier VARCHAR, zone BIGINT, express BOOLEAN, price DOUBLE`,
} as const;
export type Table = keyof typeof columnTypes;

export const sites = ["Aue", "Bach", "", "it's", "#%_", "日本🙂", "ünï\n", null];
export const kinds = ["wren", "owl", "Owl", "fox", "lynx", "newt"];
/** The table that is looked up; some kinds are in no family. */
export const families: Readonly<Record<string, string | null>> = {
  wren: "birds",
  owl: "birds",
  fox: "dogs",
  lynx: null,
};
export const levels = [-3, 0, 7, 2 ** 40, null];
/** Eighths: their sums are exact in any order, so that no tolerance has to hide a wrong one. */
export const values = [-12.5, -0.125, 0, 0.25, 3, 1_000.75, null];
export const tags = [
  "2024-01-01T00:00:00.500Z",
  "2024-02-29T12:00:00.000Z",
  "1969-12-31T23:59:59.999Z",
  null,
];

export const carriers = ["north", "South", "", "ünï", "#1"];
export const zones = [-1, 0, 4, 12, null];
export const prices = [-0.5, 0, 9.75, 120.125, null];

const edges = [
  "00:00:00.000",
  "23:59:59.999",
  "12:00:00.000",
  "11:59:59.999",
  "05:00:00.000",
  "04:59:59.000",
];
const day = 86_400_000;

/** Spans with a turn of the year, leap days, ISO weeks 53 and 1, and quarters. */
const starts = ["2023-11-20", "2020-12-05", "2019-12-28", "2015-12-14", "2026-12-10", "2023-12-31"];

export interface Span {
  readonly from: string;
  readonly until: string;
}

export function randomSpan(random: Random): Span {
  const from = Date.parse(`${pick(random, starts)}T00:00:00Z`);
  return { from: iso(from), until: iso(from + (40 + Math.floor(random() * 60)) * day) };
}

const iso = (at: number): string => new Date(at).toISOString();

/** `count` times on some days of the span, some of them on the edges of hours and days; ascending. */
export function randomTimes(random: Random, { from, until }: Span, count: number, days: number): number[] {
  const width = (Date.parse(until) - Date.parse(from)) / day;
  // the first day has events, or the coverage would begin elsewhere in the lake
  const chosen = [0, ...Array.from({ length: days - 1 }, () => Math.floor(random() * width))];
  return Array.from({ length: count }, (_, i) => {
    const start = Date.parse(from) + (i === 0 ? 0 : pick(random, chosen)) * day;
    if (random() < 0.2) return Date.parse(`${iso(start).slice(0, 10)}T${pick(random, edges)}Z`);
    const at = start + Math.floor(random() * day);
    return random() < 0.5 ? at : Math.floor(at / 1_000) * 1_000;
  }).sort((a, b) => a - b);
}

export function sightingAt(random: Random, at: number): Row {
  const kind = pick(random, kinds);
  return {
    at: iso(at),
    site: pick(random, sites),
    kind,
    tame: pick(random, [true, false, null]),
    level: pick(random, levels),
    value: pick(random, values),
    weight: 0.1 + random() * 9,
    tagged: pick(random, tags),
    family: families[kind] ?? null,
  };
}

export function parcelAt(random: Random, at: number): Row {
  const cells: Record<string, Cell> = {
    at: iso(at),
    carrier: pick(random, carriers),
    zone: pick(random, zones),
    express: random() < 0.5,
    price: pick(random, prices),
  };
  return cells;
}
