/**
 * The functions of Trino that the embedded Athena answers: a white list. Each entry was compared with Trino's
 * documentation; a function that is not here fails by name, whatever DuckDB would make of it.
 */
import { unsupported } from "./failure.ts";
import type { FunctionRule } from "./function-rule.ts";
import { aggregateFunctions } from "./functions-aggregate.ts";
import { arrayFunctions } from "./functions-array.ts";
import { dateFunctions } from "./functions-date.ts";
import { mathFunctions } from "./functions-math.ts";
import { stringFunctions } from "./functions-string.ts";

const scalars = new Map<string, FunctionRule>(
  Object.entries({ ...mathFunctions, ...stringFunctions, ...dateFunctions, ...arrayFunctions }),
);
const aggregates = new Map<string, FunctionRule>(Object.entries(aggregateFunctions));

/** Whether the name is one of an aggregate. */
export function isAggregate(name: string): boolean {
  return aggregates.has(name.toLowerCase());
}

/** The rule of a function. Throws for a function that is not on the list. */
export function functionRule(name: string): FunctionRule {
  const rule = scalars.get(name.toLowerCase()) ?? aggregates.get(name.toLowerCase());
  if (!rule) throw unsupported(`function ${name}`);
  return rule;
}
