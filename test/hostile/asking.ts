/** Asks with hostile texts, many in a request, and listens to what reaches Athena. */
import { expect } from "vitest";
import { type Answer, ask } from "../e2e/client.ts";
import { literalOf } from "../trino/parameter.ts";
import type { Asked, World } from "./world.ts";

/** A request, its values in variables. */
export interface Batch {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** A request with a variable per value: `fields` are told its name and position. */
export function batchOf(
  declared: string,
  values: readonly unknown[],
  fields: (variable: string, i: number) => string[],
  operation = "query",
): Batch {
  const names = values.map((_, i) => `t${i}`);
  return {
    query: `${operation}(${names.map((name) => `$${name}: ${declared}`).join(", ")}) { ${names.flatMap(fields).join("\n")} }`,
    variables: Object.fromEntries(names.map((name, i) => [name, values[i]])),
  };
}

/** The answer, and what was asked of Athena for it. */
export async function answered(
  world: World,
  { query, variables }: Batch,
): Promise<{ answer: Answer; asked: Asked[] }> {
  world.asked();
  const answer = await ask(world.url, query, variables);
  return { answer, asked: world.asked() };
}

let harmless = 0;

/** Never the same twice: what was asked before is not asked of Athena again. */
const benign = (count: number): string[] => Array.from({ length: count }, () => `benign ${++harmless}`);

/** Texts among the parameters of statements, without the partitions; none may be other than one literal. */
function textsIn(asked: readonly Asked[]): string[] {
  return asked
    .flatMap(({ parameters }) => parameters)
    .flatMap((parameter) => {
      const literal = literalOf(parameter);
      if (literal === null) throw new Error(`Not one literal: ${JSON.stringify(parameter)}`);
      return literal.kind === "string" && !/^\d{4}-\d\d-\d\d$/.test(literal.value) ? [literal.value] : [];
    });
}

/** Asks with the texts and with as many benign ones: the statements are the same, and carry the texts as they are. */
export async function expectCarried(
  world: World,
  values: readonly string[],
  batch: (values: readonly string[]) => Batch,
): Promise<Answer> {
  const { answer, asked } = await answered(world, batch(values));
  expect(answer.errors).toBeUndefined();
  expect(asked.map(({ sql }) => sql).sort()).toEqual(await controlOf(world, values.length, batch));
  expect(new Set(textsIn(asked))).toEqual(new Set(values));
  return answer;
}

const controls = new Map<string, readonly string[]>();

/** What a question of the same form sends whose texts are harmless. */
async function controlOf(
  world: World,
  count: number,
  batch: (values: readonly string[]) => Batch,
): Promise<readonly string[]> {
  const values = benign(count);
  const request = batch(values);
  const form = `${count} ${request.query}`;
  const known = controls.get(form);
  if (known !== undefined) return known;
  const { answer, asked: sent } = await answered(world, request);
  expect(answer.errors).toBeUndefined();
  expect(sent.length).toBeGreaterThan(0);
  expect(textsIn(sent)).toContain(values[0]);
  const statements = sent.map(({ sql }) => sql).sort();
  controls.set(form, statements);
  return statements;
}
