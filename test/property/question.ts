/** Random questions, and each as GraphQL that can be pasted into GraphiQL. Imports nothing of `src`. */
import { pick, type Random, someOf } from "./random.ts";
import { type AskedRange, randomRange } from "./range.ts";
import type { Span } from "./rows.ts";
import { type Spec, specs } from "./spec.ts";
import { pinning, randomWhere, type Where } from "./where.ts";

export const seriesGrains = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] as const;
export const periods = ["PREVIOUS", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "YEAR_WEEKDAY"] as const;
export type SeriesGrain = (typeof seriesGrains)[number];
export type Period = (typeof periods)[number];

export interface Question {
  readonly spec: Spec;
  readonly where: Where;
  readonly range: AskedRange | null;
  /** Measures. */
  readonly fields: readonly string[];
  readonly series: SeriesGrain | null;
  /** Compared with the same range a period before, where there is a series each of its buckets is. */
  readonly previous: Period | null;
  /** Growth over that period, too. */
  readonly growth: boolean;
  readonly by: Grouping | null;
}

export interface Grouping {
  readonly dimensions: readonly string[];
  readonly orderBy: { readonly measure: string; readonly direction: "ASC" | "DESC" } | null;
  readonly first: number;
}

/** What the schema has. */
export interface Features {
  readonly groups: boolean;
  readonly previous: boolean;
}

export function randomQuestion(random: Random, span: Span, features: Features): Question {
  const spec = pick(random, [specs[0]!, ...specs]);
  const by = features.groups && random() < 0.25 ? randomGrouping(random, spec) : null;
  const range = randomRange(random, span);
  const previous = features.previous && random() < 0.25 ? pick(random, periods) : null;
  return {
    spec,
    where: by === null ? randomWhere(random, spec) : groupedWhere(random, spec, by),
    range,
    fields: randomFields(random, spec, by),
    series: random() < (by === null ? 0.4 : 0.05) ? randomGrain(random, range) : null,
    previous,
    growth: previous !== null && random() < 0.7,
    by,
  };
}

/** Stored ones only as often as not: then nothing has to wait for Athena. */
function randomFields(random: Random, spec: Spec, by: Grouping | null): string[] {
  const names = Object.keys(spec.measures);
  const stored = names.filter((name) => spec.measures[name]!.stored);
  const fields = random() < 0.5 ? someOf(random, stored, 0.4) : someOf(random, names, 0.3);
  return [...new Set([...fields, ...(by?.orderBy ? [by.orderBy.measure] : [])])];
}

/** Thousands of hours now and then only. */
function randomGrain(random: Random, range: AskedRange | null): SeriesGrain {
  const grain = pick(random, seriesGrains);
  if (grain !== "HOUR" || random() < 0.03) return grain;
  const { from, to } = range ?? {};
  const isShort =
    from !== undefined && to !== undefined && Date.parse(to) - Date.parse(from) < 10 * 86_400_000;
  return isShort ? "HOUR" : "DAY";
}

/** Mostly the dimensions of a rollup, or some of them while the others are pinned. */
function randomGrouping(random: Random, spec: Spec): Grouping {
  const ofRollups = spec.rollups.map(({ dimensions }) => dimensions).filter(({ length }) => length > 0);
  const dimensions =
    random() < 0.75
      ? someOf(random, pick(random, ofRollups), 0.8)
      : someOf(random, spec.dimensions, 1.5 / spec.dimensions.length);
  const exact = Object.keys(spec.measures).filter((name) => "sql" in spec.measures[name]!);
  const orderBy =
    random() < 0.85
      ? { measure: pick(random, exact), direction: pick(random, ["ASC", "DESC"] as const) }
      : null;
  return { dimensions: shuffled(random, dimensions), orderBy, first: pick(random, [1, 2, 3, 5, 10, 100]) };
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Pins what a rollup has besides the grouped dimensions, or filters anything. */
function groupedWhere(random: Random, spec: Spec, { dimensions }: Grouping): Where {
  const how = random();
  if (how < 0.25) return {};
  if (how < 0.4) return randomWhere(random, spec);
  const wider = spec.rollups.filter((rollup) => dimensions.every((each) => rollup.dimensions.includes(each)));
  if (wider.length === 0) return {};
  const others = pick(random, wider).dimensions.filter(
    (each) => !dimensions.includes(each) || random() < 0.15,
  );
  return Object.fromEntries(others.map((each) => [each, pinning(random, spec, each)]));
}

/** The whole query, to be pasted. */
export const asQuery = (question: Question, after: string | null): string =>
  `{\n  ${asField(question, "q", after)}\n}`;

export function asField(question: Question, alias: string, after: string | null): string {
  const { spec, where, range, fields, series, previous, growth, by } = question;
  const args = [
    ...(by === null ? [] : [`dimensions: [${by.dimensions.map(constant).join(", ")}]`]),
    ...(Object.keys(where).length === 0 ? [] : [`where: ${literal(where)}`]),
    ...(range === null ? [] : [`range: ${literal(range)}`]),
    ...(by === null ? [] : paging(by, after)),
  ];
  const name = by === null ? spec.field : `${spec.field}By`;
  const own = `from to complete ${fields.join(" ")}`;
  const grown = growing(question).join(" ");
  const compared = [
    ...(previous === null ? [] : [`previous(period: ${previous}) { ${own} }`]),
    ...(growth && grown !== "" ? [`growth(over: ${previous}) { ${grown} }`] : []),
  ];
  const insight = [
    own,
    ...(series === null ? compared : [`series(grain: ${series}) { ${[own, ...compared].join(" ")} }`]),
  ].join(" ");
  const body =
    by === null
      ? insight
      : `nodes { ${by.dimensions.join(" ")} ${insight} } totalCount pageInfo { hasNextPage endCursor }`;
  return `${alias}: ${name}${args.length === 0 ? "" : `(${args.join(", ")})`} { ${body} }`;
}

/** The fields asked for that have a growth: stored measures but extremes. */
export function growing({ spec, fields, growth }: Question): string[] {
  return growth ? fields.filter((name) => spec.measures[name]!.grows) : [];
}

function paging({ orderBy, first }: Grouping, after: string | null): string[] {
  const order =
    orderBy === null
      ? []
      : [`orderBy: {measure: ${constant(orderBy.measure)}, direction: ${orderBy.direction}}`];
  return [...order, `first: ${first}`, ...(after === null ? [] : [`after: ${JSON.stringify(after)}`])];
}

/** `meanDelay` as MEAN_DELAY. */
const constant = (name: string): string => name.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();

function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, each]) => `${name}: ${literal(each)}`)
    .join(", ")}}`;
}
