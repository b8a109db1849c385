/** Array functions. Positions count from 1. */
import { coerced, type Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import {
  argument,
  type FunctionCall,
  type FunctionRule,
  signature,
  wrongArguments,
} from "./function-rule.ts";
import { wholeSql } from "./operators.ts";
import { array, bigint, boolean, commonType, isFloating, sameType, type Type, varchar } from "./types.ts";

export const arrayFunctions: Readonly<Record<string, FunctionRule>> = {
  element_at: elementAt,
  array_sort: arraySort,
  array_max: arrayExtreme("list_max"),
  array_min: arrayExtreme("list_min"),
  cardinality: ofArray((sql) => ({ sql: `len(${sql})`, type: bigint })),
  contains,
  array_join: signature([array(varchar), varchar], varchar, (list, by) => `array_to_string(${list}, ${by})`),
  sequence: signature([bigint, bigint], array(bigint), sequence),
};

function ofArray(rule: (sql: string, element: Type) => Typed): FunctionRule {
  return (call) => {
    const { element, sql } = arrayArgument(call);
    if (call.args.length !== 1) throw wrongArguments(call, "array(T)");
    return rule(sql, element);
  };
}

function arrayArgument(call: FunctionCall): { element: Type; sql: string } {
  const { type, sql } = argument(call, 0);
  if (type.kind !== "array") throw wrongArguments(call, "array(T), …");
  return { element: type.element, sql };
}

/** NULL beyond the ends; position 0 is an error, but not where the array is NULL. */
function elementAt(call: FunctionCall): Typed {
  const { element, sql } = arrayArgument(call);
  const at = wholeSql("the position of element_at", argument(call, 1));
  const zero = `CASE WHEN ${at} = 0 AND ${sql} IS NOT NULL THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1') END`;
  return { sql: `coalesce(list_extract(${sql}, ${at}), ${zero})`, type: element };
}

/** `array[position]`: an error beyond the ends. */
export function subscript(list: Typed, position: Typed): Typed {
  if (list.type.kind !== "array") throw unsupported("a subscript of other than an array");
  const at = wholeSql("a subscript", position);
  const outside = `${at} < 1 OR ${at} > len(${list.sql})`;
  const sql = `(CASE WHEN ${outside} THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript must be between 1 and its size') ELSE list_extract(${list.sql}, ${at}) END)`;
  return { sql, type: list.type.element };
}

/** Ascending, NULL last. */
function arraySort(call: FunctionCall): Typed {
  const { element, sql } = arrayArgument(call);
  if (call.args.length !== 1) throw unsupported("array_sort with a comparator");
  return { sql: `list_sort(${sql}, 'ASC', 'NULLS LAST')`, type: array(element) };
}

/** NULL as soon as one element is NULL, where DuckDB would skip it. */
function arrayExtreme(name: string): FunctionRule {
  return ofArray((sql, element) => {
    if (isFloating(element)) throw unsupported(`${name.replace("list", "array")} of doubles`);
    return {
      sql: `(CASE WHEN len(${sql}) <> list_count(${sql}) THEN NULL ELSE ${name}(${sql}) END)`,
      type: element,
    };
  });
}

/** NULL where the element is missing but the array holds a NULL. */
function contains(call: FunctionCall): Typed {
  const { element, sql } = arrayArgument(call);
  const wanted = argument(call, 1);
  const type = commonType(element, wanted.type);
  if (!type || !sameType(type, element) || isFloating(type)) throw wrongArguments(call, "array(T), T");
  const value = coerced(wanted, element);
  const missing = `CASE WHEN len(${sql}) <> list_count(${sql}) THEN NULL ELSE false END`;
  return {
    sql: `(CASE WHEN ${sql} IS NULL OR ${value} IS NULL THEN NULL WHEN list_contains(${sql}, ${value}) THEN true ELSE ${missing} END)`,
    type: boolean,
  };
}

const maxSequence = 10_000; // entries, Trino's limit

function sequence(from: string, to: string): string {
  const tooLong = `abs(${to} - ${from}) >= ${maxSequence}`;
  return `(CASE WHEN ${tooLong} THEN error('INVALID_FUNCTION_ARGUMENT: result of sequence function must not have more than ${maxSequence} entries') ELSE generate_series(${from}, ${to}, CASE WHEN ${to} < ${from} THEN -1 ELSE 1 END) END)`;
}
