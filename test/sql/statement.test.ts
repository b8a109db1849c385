import { describe, expect, it } from "vitest";
import { Flight } from "../../products/flights.ts";
import { columns } from "../../src/model/columns.ts";
import { UserInputError } from "../../src/model/errors.ts";
import { aggregatesOf } from "../../src/model/expression.ts";
import { sourceFor } from "../../src/model/source.ts";
import { adHocStatement, readResult } from "../../src/sql/statement.ts";

const source = sourceFor(Flight);
const at = (text: string): number => Date.parse(`${text}Z`);
const aggregates = [
  columns(Flight).percentile("delay", 0.9),
  columns(Flight).distinct("destination"),
].flatMap(aggregatesOf);

describe("the Athena fallback", () => {
  it("asks all questions in one statement, values as parameters, partitions bounded by their union", () => {
    const { sql, parameters } = adHocStatement(
      source,
      [
        { where: [], range: { from: at("2001-01-01T00:00"), to: at("2001-01-03T12:00") }, by: null },
        {
          where: [{ op: "eq", column: "origin", value: "O'Hare" }],
          range: { from: at("2001-05-01T00:00"), to: at("2001-06-01T00:00") },
          by: "DAY",
        },
      ],
      aggregates,
    );
    expect(
      sql,
    ).toBe(`SELECT "sluice_question", CASE "sluice_question" WHEN 2 THEN date_trunc('day', "date") END,
  element_at(array_sort(array_agg("delay") FILTER (WHERE "delay" IS NOT NULL)), CAST(ceil(0.9 * count("delay")) AS bigint)),
  count(DISTINCT "destination")
FROM "aviation"."flights" CROSS JOIN UNNEST(ARRAY[1, 2]) AS "sluice"("sluice_question")
WHERE ("day" BETWEEN ? AND ? OR "day" BETWEEN ? AND ?)
  AND (("sluice_question" = 1 AND "date" >= ? AND "date" < ?)
    OR ("sluice_question" = 2 AND "date" >= ? AND "date" < ? AND "origin" = ?))
GROUP BY 1, 2`);
    expect(parameters).toEqual([
      "'2001-01-01'",
      "'2001-01-03'",
      "'2001-05-01'",
      "'2001-05-31'",
      "TIMESTAMP '2001-01-01 00:00:00.000'",
      "TIMESTAMP '2001-01-03 12:00:00.000'",
      "TIMESTAMP '2001-05-01 00:00:00.000'",
      "TIMESTAMP '2001-06-01 00:00:00.000'",
      "'O''Hare'",
    ]);
  });

  it("reads its rows back: per question, per bucket, by aggregate", () => {
    const range = { from: at("2001-05-01T00:00"), to: at("2001-06-01T00:00") };
    const { layout } = adHocStatement(
      source,
      [
        { where: [], range, by: null },
        { where: [], range, by: "DAY" },
      ],
      aggregates,
    );
    const rows = [
      ["2", "2001-05-02 00:00:00.000", null, "7"],
      ["1", null, "55", "200"],
    ];
    const [whole, byDay] = [1, 2].map((question) => readResult(layout, rows, question));
    expect(whole!.get(0)).toEqual(
      new Map([
        ["percentile(delay,0.9)", 55],
        ["distinct(destination)", 200],
      ]),
    );
    expect(byDay!.get(at("2001-05-02T00:00"))).toEqual(
      new Map([
        ["percentile(delay,0.9)", null],
        ["distinct(destination)", 7],
      ]),
    );
  });

  it("refuses a value that Athena would not take as a parameter", () => {
    const where = [{ op: "eq", column: "origin", value: "x".repeat(1_100) }] as const;
    const range = { from: at("2001-05-01T00:00"), to: at("2001-06-01T00:00") };
    expect(() => adHocStatement(source, [{ where, range, by: null }], aggregates)).toThrow(UserInputError);
  });
});
