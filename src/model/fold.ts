/**
 * The JavaScript half of "one definition, one number": components folded over events, states merged, measures read
 * from a state. The other half is the SQL compiler; a property test holds the two to the same answers.
 */
import { type Aggregate, aggregateId, aggregatesOf, type Component, type Expression } from "./expression.ts";
import { matcher } from "./filter.ts";
import type { Event } from "./values.ts";

/** One number per component of a product, in the product's order; null for min and max of nothing. */
export type State = (number | null)[];

export function emptyState(components: readonly Component[]): State {
  return components.map((component) => (component.merge === "add" ? 0 : null));
}

/**
 * Compiles components to one function that writes what an event contributes to each of them, from `at` on; NaN is
 * nothing. Whoever adds an event to several states writes it once.
 */
export function contributor(
  components: readonly Component[],
): (event: Event, into: Float64Array, at: number) => void {
  const steps = components.map(contribution);
  return (event, into, at) => {
    for (let i = 0; i < steps.length; i++) into[at + i] = steps[i]!(event);
  };
}

function contribution({ aggregate }: Component): (event: Event) => number {
  switch (aggregate.kind) {
    case "count":
      return () => 1;
    case "countIf": {
      const matches = matcher(aggregate.where);
      return (event) => (matches(event) ? 1 : 0);
    }
    case "countOf":
      return (event) => (event[aggregate.column] == null ? 0 : 1);
    case "sum":
    case "min":
    case "max": {
      const { column } = aggregate;
      return (event) => (event[column] as number | null | undefined) ?? Number.NaN;
    }
    default:
      throw new TypeError(`The aggregate "${aggregate.kind}" is not mergeable: it has no fold.`);
  }
}

/** Compiles components to one function that adds contributions, from `from` on, to the state that begins at `at`. */
export function adder(
  components: readonly Component[],
): (states: State, at: number, contributions: Float64Array, from: number) => void {
  const merges = components.map(({ merge }) => merge);
  return (states, at, contributions, from) => {
    for (let i = 0; i < merges.length; i++) {
      const value = contributions[from + i]!;
      if (Number.isNaN(value)) continue;
      const merge = merges[i]!;
      const known = states[at + i]!;
      if (known === null) states[at + i] = value;
      else if (merge === "add") states[at + i] = known + value;
      else states[at + i] = merge === "min" ? Math.min(known, value) : Math.max(known, value);
    }
  };
}

const merger = {
  add: (a: number | null, b: number | null) => (a ?? 0) + (b ?? 0),
  min: (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.min(a, b)),
  max: (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.max(a, b)),
} as const satisfies Record<Component["merge"], (a: number | null, b: number | null) => number | null>;

/** Merges `part` into `into`, in place. */
export function mergeState(
  components: readonly Component[],
  into: State,
  part: readonly (number | null)[],
): void {
  for (let i = 0; i < components.length; i++)
    into[i] = merger[components[i]!.merge](into[i]!, part[i] ?? null);
}

/** What reading a measure needs to know of its product. */
export interface Readable {
  measure(name: string): { readonly expression: Expression };
}

/**
 * The value of a measure, read from the aggregates it is made of (by `aggregateId`). Count and sum of nothing are 0;
 * min, max, avg, ratio and percentile of nothing are null.
 */
export function readMeasure(
  product: Readable,
  expression: Expression,
  aggregate: (id: string) => number | null,
): number | null {
  const parts = aggregatesOf(expression).map((part) => aggregate(aggregateId(part)));
  if (expression.kind === "avg") return divide(parts[0]!, parts[1]!);
  if (expression.kind !== "ratio") return parts[0]!;
  const side = (name: string) => readMeasure(product, product.measure(name).expression, aggregate);
  return divide(side(expression.numerator), side(expression.denominator));
}

/** `readMeasure` compiled for states of the product's components: for measures that are read a million times. */
export function measureReader(
  product: Readable & { readonly components: readonly Component[] },
  expression: Expression,
): (state: State) => number | null {
  if (expression.kind === "ratio") {
    const side = (name: string) => measureReader(product, product.measure(name).expression);
    const [numerator, denominator] = [side(expression.numerator), side(expression.denominator)];
    return (state) => divide(numerator(state), denominator(state));
  }
  const [first, second] = aggregatesOf(expression).map((part) => {
    const id = aggregateId(part);
    return product.components.findIndex((component) => component.id === id);
  }) as [number, number];
  if (expression.kind === "avg") return (state) => divide(state[first] ?? null, state[second] ?? null);
  return (state) => state[first] ?? null;
}

/** The aggregates that `readMeasure` asks for, the sides of ratios included. */
export function aggregatesBehind(product: Readable, expression: Expression): readonly Aggregate[] {
  if (expression.kind !== "ratio") return aggregatesOf(expression);
  return [expression.numerator, expression.denominator].flatMap((side) =>
    aggregatesBehind(product, product.measure(side).expression),
  );
}

/** How a measure is read from aggregates, as plain JSON: an aggregate's id, or one side divided by the other. */
export type Reading =
  | { readonly aggregate: string }
  | { readonly divide: readonly [dividend: Reading, divisor: Reading] };

/** `readMeasure` as data, for SQL that orders by a measure. */
export function readingOf(product: Readable, expression: Expression): Reading {
  if (expression.kind === "ratio") {
    const side = (name: string) => readingOf(product, product.measure(name).expression);
    return { divide: [side(expression.numerator), side(expression.denominator)] };
  }
  const [first, second] = aggregatesOf(expression).map((part) => ({ aggregate: aggregateId(part) }));
  return second === undefined ? first! : { divide: [first!, second] };
}

/** Looks aggregates up in a state, for `readMeasure`. */
export function stateReader(components: readonly Component[], state: State): (id: string) => number | null {
  return (id) => state[components.findIndex((component) => component.id === id)] ?? null;
}

/** Null when either side is null or the divisor is 0. */
export function divide(a: number | null, b: number | null): number | null {
  return a === null || b === null || b === 0 ? null : a / b;
}
