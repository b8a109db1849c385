/**
 * Filters: a conjunction of conditions on columns. One data structure serves `countIf`, the `where` arguments and feed
 * filters; `src/sql` compiles it to SQL, `matcher` to a JavaScript predicate. As in SQL, null matches no condition
 * but `isNull: true`.
 */
import { SluiceError } from "./errors.ts";
import { assertInstant } from "./time.ts";
import { assertText, compareValues, type Event, type Value } from "./values.ts";

type Scalar = Exclude<Value, null>;

export type Condition =
  | { readonly op: "eq" | "ne" | "gte" | "lt"; readonly column: string; readonly value: Scalar }
  | { readonly op: "in" | "notIn"; readonly column: string; readonly values: readonly Scalar[] }
  | { readonly op: "startsWith"; readonly column: string; readonly value: string }
  | { readonly op: "isNull"; readonly column: string; readonly value: boolean };

export type Operator = Condition["op"];
export type Filter = readonly Condition[];

/** Which operators a column of each type can be asked with. */
export const operatorsOf = {
  string: ["eq", "in", "ne", "notIn", "startsWith", "isNull"],
  int: ["eq", "in", "gte", "lt", "isNull"],
  float: ["eq", "in", "gte", "lt", "isNull"],
  datetime: ["eq", "in", "gte", "lt", "isNull"],
  boolean: ["eq", "isNull"],
} as const satisfies Record<string, readonly Operator[]>;

/** `{ delay: { gte: 15 } }` as conditions, in the order given. */
export function conditions(
  spec: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>,
): Filter {
  return Object.entries(spec).flatMap(([column, operators]) =>
    Object.entries(operators ?? {})
      .filter(([, operand]) => operand !== undefined)
      .map(([op, operand]) => conditionOf(column, op as Operator, operand)),
  );
}

function conditionOf(column: string, op: Operator, operand: unknown): Condition {
  if (operand === null || (Array.isArray(operand) && operand.includes(null)))
    throw new SluiceError(
      "BAD_USER_INPUT",
      `A filter compares with values, not with null. Got ${column}: { ${op}: ${JSON.stringify(operand)} }. Use ${column}: { isNull: true }.`,
    );
  if (op === "in" || op === "notIn") return { op, column, values: (operand as unknown[]).map(plain) };
  if (op === "isNull") return { op, column, value: operand as boolean };
  if (op === "startsWith") return { op, column, value: plain(operand) as string };
  return { op, column, value: plain(operand) };
}

function plain(value: unknown): Scalar {
  if (typeof value === "string") assertText(value);
  return value instanceof Date ? instantOf(value) : (value as Scalar);
}

/** An invalid date stays one: the checks of a declaration name it. */
function instantOf(date: Date): number {
  const at = date.getTime();
  return Number.isNaN(at) ? at : assertInstant(at);
}

/** Holds each column to one value, null included. */
export function pinning(columns: readonly string[], values: readonly Value[]): Filter {
  return columns.map((column, i) => {
    const value = values[i] ?? null;
    return value === null ? { op: "isNull", column, value: true } : { op: "eq", column, value };
  });
}

/** The columns that a filter holds to one value, null included. */
export function singleValues(where: Filter): Readonly<Record<string, Value>> {
  const pinned: Record<string, Value> = {};
  for (const condition of where) {
    if (condition.op === "eq") pinned[condition.column] = condition.value;
    if (condition.op === "isNull" && condition.value) pinned[condition.column] = null;
    if (condition.op === "in" && new Set(condition.values).size === 1)
      pinned[condition.column] = condition.values[0]!;
  }
  return pinned;
}

/** The predicate of a filter over events. */
export function matcher(filter: Filter): (event: Event) => boolean {
  const tests = filter.map(test);
  const [only] = tests;
  if (only !== undefined && tests.length === 1) return only;
  return (event) => tests.every((matches) => matches(event));
}

function test(condition: Condition): (event: Event) => boolean {
  const { column } = condition;
  switch (condition.op) {
    case "eq":
      return (event) => event[column] === condition.value;
    case "ne":
      return (event) => event[column] != null && event[column] !== condition.value;
    case "gte":
      return (event) => event[column] != null && compareValues(event[column], condition.value) >= 0;
    case "lt":
      return (event) => event[column] != null && compareValues(event[column], condition.value) < 0;
    case "in": {
      const values = new Set<Value>(condition.values);
      return (event) => event[column] != null && values.has(event[column]);
    }
    case "notIn": {
      const values = new Set<Value>(condition.values);
      return (event) => event[column] != null && !values.has(event[column]);
    }
    case "startsWith":
      return (event) => typeof event[column] === "string" && event[column].startsWith(condition.value);
    case "isNull":
      return (event) => (event[column] == null) === condition.value;
  }
}
