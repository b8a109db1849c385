/** Why a field is left to Athena, and what would have it answered from a rollup: a declaration, or another question. */
import type { Condition, Filter } from "../model/filter.ts";
import type { Measure, Product } from "../model/product.ts";
import { formatInstant, isAligned, type Range, type StoredGrain, storedGrains } from "../model/time.ts";
import {
  maxKeys,
  planStored,
  type Servable,
  sliceOf,
  type StoredPlan,
  type UnstoredPlan,
  type View,
} from "./plan.ts";

export interface Unserved {
  readonly product: Product;
  readonly serving: Servable;
  readonly where: Filter;
  /** Of the field wherever it stands in the answer: a series has many. */
  readonly ranges: readonly Range[];
  readonly view: View;
  readonly measure: Measure;
}

/** What goes into `rollup([...], { grains: [...] })`. */
export interface WantedRollup {
  readonly dimensions: readonly string[];
  /** Finest first. */
  readonly grains: readonly StoredGrain[];
}

/** In words for the person who asked. */
export function reasonFor({ measure }: Pick<Unserved, "measure">, plan: StoredPlan | UnstoredPlan): string {
  if (!measure.mergeable)
    return `${measure.name} (${measure.expression.kind}) is not mergeable: its value over a range does not follow from those of its buckets`;
  if (!measure.precomputed) return `${measure.name} is declared with @AdHoc`;
  return plan.kind === "unstored" ? plan.reason : `${measure.name} is not stored before the next refresh`;
}

/** What to declare, to run or to ask instead, a sentence each. */
export function adviceFor(unserved: Unserved): readonly string[] {
  const { product, measure } = unserved;
  if (!measure.mergeable) return ["No rollup can serve it: Athena computes it from the events."];
  const slice = sliceAdvice(unserved);
  if (measure.precomputed) return slice.length > 0 ? slice : [refreshAdvice(product)];
  const { name, expression } = measure;
  return [`Declare ${name} with @Measure: a refresh can store a ${expression.kind}.`, ...slice];
}

/** What would have groups found in a rollup. */
export function groupsAdvice({
  product,
  where,
  dimensions,
  range,
  view,
}: Pick<Unserved, "product" | "where" | "view"> & {
  readonly dimensions: readonly string[];
  readonly range: Range;
}): readonly string[] {
  const conditions = where.flatMap((condition) => conditionAdvice(product, where, condition));
  const held = where.filter(({ column }) => !dimensions.includes(column));
  const grouped: Filter = dimensions.map((column) => ({ op: "eq", column, value: "" }));
  const wanted = rollupFor({ product, where: [...held, ...grouped], ranges: [range], view });
  if (wanted !== null)
    return [
      ...new Set(conditions),
      `Declare rollup(${list(wanted.dimensions)}, { grains: ${list(wanted.grains)}, top: n }) with n as large as there are groups.`,
    ];
  const columns = [...new Set([...held, ...grouped].map(({ column }) => column))];
  const known = product.rollups.find((rollup) => isSame(rollup.dimensions, columns));
  if (known === undefined) return [...new Set(conditions)];
  const top = known.top === null ? "Declare" : "Declare a larger";
  return [
    ...new Set(conditions),
    `${top} top on rollup(${list(known.dimensions)}): leaderboards that hold all keys name the groups.`,
  ];
}

const refreshAdvice = ({ name }: Product): string =>
  `Run "sluice refresh ${name}": it stores what is missing.`;

/** Nothing where a rollup answers the slice. */
function sliceAdvice(unserved: Unserved): readonly string[] {
  const { product, serving, where, ranges, view } = unserved;
  if (ranges.every((range) => planStored(serving, where, range, view).kind === "stored")) return [];
  if (isAwaited(unserved)) return [refreshAdvice(product)];
  const conditions = where.flatMap((condition) => conditionAdvice(product, where, condition));
  const wanted = rollupFor(unserved);
  return [
    ...new Set([...conditions, ...(wanted ? rollupAdvice(unserved, wanted) : questionAdvice(unserved))]),
  ];
}

function rollupAdvice({ product, ranges, view }: Unserved, { dimensions, grains }: WantedRollup): string[] {
  const text = `rollup(${list(dimensions)}, { grains: ${list(grains)} })`;
  const known = product.rollups.find((rollup) => isSame(rollup.dimensions, dimensions));
  if (known === undefined) return [`Declare ${text}.`];
  const isCovered = known.live || ranges.every(({ to }) => to <= view.coverage.until);
  return [
    `Declare ${text} in place of the present one.`,
    `Or let the range begin and end on edges of ${known.finest}${isCovered ? "" : ", within the coverage"}.`,
  ];
}

/** The rollup that would hold the slice, by the coarsest grain that answers the ranges; null where none can, or it is there. */
export function rollupFor({
  product,
  where,
  ranges,
  view,
}: Pick<Unserved, "product" | "where" | "ranges" | "view">): WantedRollup | null {
  const time = product.source.time.property;
  const dimensions = [...new Set(where.map(({ column }) => column))].filter((column) => column !== time);
  const known = product.rollups.find((rollup) => isSame(rollup.dimensions, dimensions));
  const live = known?.live ?? product.source.stream !== null;
  const pinned: Filter = dimensions.map((column) => ({ op: "eq", column, value: "" }));
  const isAnswered = (finest: StoredGrain): boolean => {
    const rollup = { name: "", dimensions, grains: [finest], finest, live, top: null };
    const served = { dimensions: product.source.columns, rollups: [rollup], awaited: [] };
    return ranges.every((range) => planStored(served, pinned, range, view).kind === "stored");
  };
  const grain = storedGrains.findLast(isAnswered);
  if (grain === undefined || keysOf(where) > maxKeys) return null;
  if (known === undefined) return { dimensions, grains: [grain] };
  if (storedGrains.indexOf(known.finest) <= storedGrains.indexOf(grain)) return null;
  return { dimensions: known.dimensions, grains: [grain, ...known.grains] };
}

function keysOf(where: Filter): number {
  return where.reduce(
    (count, condition) => count * (condition.op === "in" ? new Set(condition.values).size : 1),
    1,
  );
}

function isAwaited({ serving, where }: Unserved): boolean {
  return sliceOf({ ...serving, rollups: serving.awaited }, where).kind === "slice";
}

/** What would have to change in the question. */
function questionAdvice({ ranges, where }: Unserved): string[] {
  if (keysOf(where) > maxKeys) return [`Ask for at most ${maxKeys} combinations of values at a time.`];
  const edge = ranges.flatMap(({ from, to }) => [from, to]).find((at) => !isAligned(at, "HOUR"));
  if (edge === undefined) return [];
  return [`Let the range begin and end on edges of HOUR or DAY: ${formatInstant(edge)} is on none.`];
}

const isPinning = (condition: Condition): boolean =>
  condition.op === "eq" || condition.op === "in" || (condition.op === "isNull" && condition.value);

function conditionAdvice(product: Product, where: Filter, condition: Condition): string[] {
  const { column, op } = condition;
  if (column === product.source.time.property)
    return [`Ask for ${column} by range: a rollup's buckets are of event time.`];
  const advice: string[] = [];
  if (!product.dimensions.some(({ property }) => property === column))
    advice.push(`Declare @Dimension() ${column}: a rollup holds values of dimensions.`);
  if (!isPinning(condition))
    advice.push(`Pin ${column} by eq or in: a rollup has a key per value, and cannot tell those of ${op}.`);
  if (where.filter((other) => other.column === column).length > 1)
    advice.push(`Give ${column} one condition: a rollup's key has one value of it.`);
  return advice;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

const list = (names: readonly string[]): string =>
  `[${names.map((name) => JSON.stringify(name)).join(", ")}]`;
