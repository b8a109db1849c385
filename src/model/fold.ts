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

/** Compiles components to one function that adds an event to a state in place. */
export function folder(components: readonly Component[]): (state: State, event: Event) => void {
  const steps = components.map(step);
  return (state, event) => {
    for (let i = 0; i < steps.length; i++) steps[i]!(state, event);
  };
}

/** What one event adds to the value of a component at `position`; null adds nothing. */
function step({ aggregate }: Component, position: number): (state: State, event: Event) => void {
  switch (aggregate.kind) {
    case "count":
      return (state) => void (state[position]! += 1);
    case "countIf": {
      const matches = matcher(aggregate.where);
      return (state, event) => void (state[position]! += matches(event) ? 1 : 0);
    }
    case "countOf":
      return (state, event) => void (state[position]! += event[aggregate.column] == null ? 0 : 1);
    case "sum":
    case "min":
    case "max": {
      const { column } = aggregate;
      const merge = merger[aggregate.kind === "sum" ? "add" : aggregate.kind];
      return (state, event) => {
        const value = event[column] as number | null | undefined;
        if (value != null) state[position] = merge(state[position]!, value);
      };
    }
    default:
      throw new TypeError(`The aggregate "${aggregate.kind}" is not mergeable: it has no fold.`);
  }
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
