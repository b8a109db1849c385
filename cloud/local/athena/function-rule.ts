/** How a rule of the function list is written: what it sees of a call and how it checks the arguments. */
import { coerced, type Typed } from "./casts.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { commonType, sameType, type Type, typeText } from "./types.ts";

/** One call as a rule sees it. */
export interface FunctionCall {
  readonly name: string;
  readonly args: readonly Typed[];
  /** Writes an aggregate of DuckDB with the call's DISTINCT, ORDER BY, FILTER and OVER. `extraFilter` narrows FILTER. */
  aggregate(duckdbName: string, args: readonly string[], extraFilter?: string): string;
}

/** Types the call and writes it for DuckDB. Throws `StatementFailed`. */
export type FunctionRule = (call: FunctionCall) => Typed;

/** A function of fixed parameter types; arguments widen to them. */
export function signature(
  parameters: readonly Type[],
  type: Type,
  sql: (...args: string[]) => string,
): FunctionRule {
  return (call) => {
    if (call.args.length !== parameters.length) throw wrongArguments(call, parameters);
    const args = call.args.map((arg, index) => {
      const parameter = parameters[index];
      const widened = parameter && commonType(arg.type, parameter);
      if (!parameter || !widened || !sameType(widened, parameter)) throw wrongArguments(call, parameters);
      return coerced(arg, parameter);
    });
    return { sql: sql(...args), type };
  };
}

/** FUNCTION_NOT_FOUND as Trino words it: what arrived, and what would do. */
export function wrongArguments(call: FunctionCall, expected: readonly Type[] | string): StatementFailed {
  const actual = call.args.map((arg) => typeText(arg.type)).join(", ");
  const wanted = typeof expected === "string" ? expected : expected.map(typeText).join(", ");
  return new StatementFailed(
    `FUNCTION_NOT_FOUND: Unexpected parameters (${actual}) for function ${call.name}. Expected: ${call.name}(${wanted})`,
  );
}

/** Chooses by the number of arguments. */
export function byCount(rules: Readonly<Record<number, FunctionRule>>): FunctionRule {
  return (call) => {
    const rule = rules[call.args.length];
    if (!rule) throw wrongArguments(call, `${Object.keys(rules).join(" or ")} arguments`);
    return rule(call);
  };
}

/** The argument at `index`, which the caller has counted. */
export function argument(call: FunctionCall, index: number): Typed {
  const arg = call.args[index];
  if (!arg) throw wrongArguments(call, `at least ${index + 1} arguments`);
  return arg;
}

/** A string literal argument, for what must be known before the query runs. */
export function constantText(call: FunctionCall, index: number): string {
  const { constant } = argument(call, index);
  if (constant === undefined)
    throw unsupported(`${call.name} with an argument ${index + 1} that is not a string literal`);
  return constant;
}
