/** Who wants an event: filters that hold a column to values are found by the event's own value, the others are tried. */
import type { PositionedEvent } from "../backends/broadcast.ts";
import { type Condition, type Filter, matcher } from "../model/filter.ts";
import type { Event, Value } from "../model/values.ts";

interface Indexed<T> {
  readonly of: T;
  readonly matches: (event: Event) => boolean;
}

type Group<T> = Set<Indexed<T>>;

export class FilterIndex<T> {
  /** Column -> value -> those whose filters hold it to that value. */
  readonly #byValue = new Map<string, Map<Value, Group<T>>>();
  readonly #others: Group<T> = new Set();

  /** Returns the function that removes it. */
  add(where: Filter, of: T): () => void {
    const found = narrowest(where);
    const indexed = { of, matches: matcher(where.filter((condition) => condition !== found)) };
    if (found === undefined) {
      this.#others.add(indexed);
      return () => void this.#others.delete(indexed);
    }
    for (const value of valuesOf(found)) this.#group(found.column, value).add(indexed);
    return () => {
      for (const value of valuesOf(found)) this.#remove(found.column, value, indexed);
    };
  }

  /** The events that each wants, in their order. Who wants none is absent. */
  wanted(events: readonly PositionedEvent[]): Map<T, PositionedEvent[]> {
    const wanted = new Map<T, PositionedEvent[]>();
    const offer = (group: Group<T> | undefined, positioned: PositionedEvent): void => {
      for (const { of, matches } of group ?? []) {
        if (!matches(positioned.event)) continue;
        const list = wanted.get(of);
        if (list === undefined) wanted.set(of, [positioned]);
        else list.push(positioned);
      }
    };
    for (const positioned of events) {
      for (const [column, groups] of this.#byValue)
        offer(groups.get(positioned.event[column] ?? null), positioned);
      offer(this.#others, positioned);
    }
    return wanted;
  }

  #group(column: string, value: Value): Group<T> {
    const groups = this.#byValue.get(column) ?? new Map<Value, Group<T>>();
    this.#byValue.set(column, groups);
    const group = groups.get(value) ?? new Set();
    groups.set(value, group);
    return group;
  }

  #remove(column: string, value: Value, indexed: Indexed<T>): void {
    const groups = this.#byValue.get(column);
    const group = groups?.get(value);
    group?.delete(indexed);
    if (group?.size === 0) groups!.delete(value);
    if (groups?.size === 0) this.#byValue.delete(column);
  }
}

/** The condition that holds its column to the fewest values. */
function narrowest(where: Filter): Condition | undefined {
  return where
    .filter((condition) => valuesOf(condition).length > 0)
    .sort((a, b) => valuesOf(a).length - valuesOf(b).length)[0];
}

/** The values that a condition holds its column to; none where it does not. A list of none matches nothing, and is tried. */
function valuesOf(condition: Condition): readonly Value[] {
  if (condition.op === "eq") return [condition.value];
  if (condition.op === "in") return [...new Set(condition.values)];
  return condition.op === "isNull" && condition.value ? [null] : [];
}
