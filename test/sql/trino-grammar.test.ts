/** What `src/sql` builds passes Trino's grammar, uses what has golden results only, and puts one literal per parameter. */
import { rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import "../../products/flights.ts";
import "../../products/strikes.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { folder } from "../e2e/other-declarations.ts";
import { seeded } from "../property/random.ts";
import { tokensOf } from "../trino/grammar.ts";
import { literalOf } from "../trino/parameter.ts";
import { statementProblems } from "../trino/sent.ts";
import { formOf } from "../trino/statement.ts";
import { builders, type Built } from "./statements.ts";

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rounds = 100;

/** `rounds` times per product, the same in every run. */
function built(name: string): Built[] {
  const random = seeded(name.length);
  const products = declaredProducts();
  return Array.from({ length: rounds }, () =>
    products.flatMap((each) => builders[name]!(each, random)),
  ).flat();
}

describe.each(Object.keys(builders))("%s", (name) => {
  const statements = built(name);
  const forms = new Map(statements.map(({ sql }) => [formOf(sql), sql]));

  it("are statements of Trino, and of Hive where Athena wants that", () => {
    expect(statements.length).toBeGreaterThanOrEqual(rounds);
    const problems = [...forms.values()].flatMap((sql) =>
      statementProblems(sql).map((problem) => `${problem}:\n${sql}`),
    );
    expect(problems).toEqual([]);
  });

  it("have one literal for each ?", () => {
    const wrong = statements.filter(({ sql, parameters }) => {
      const marks = sql.includes("?") ? tokensOf(sql).filter(({ text }) => text === "?").length : 0;
      return marks !== parameters.length || parameters.some((parameter) => literalOf(parameter) === null);
    });
    expect(wrong).toEqual([]);
  });
});
