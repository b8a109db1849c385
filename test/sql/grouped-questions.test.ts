import { TrinoSQL } from "dt-sql-parser";
import { describe, expect, it } from "vitest";
import { Flight } from "../../products/flights.ts";
import { columns } from "../../src/model/columns.ts";
import { aggregatesOf } from "../../src/model/expression.ts";
import { sourceFor } from "../../src/model/source.ts";
import { type AdHocGroups, readGroups } from "../../src/sql/grouped-questions.ts";
import { type AdHocQuestion, adHocStatement, readResult } from "../../src/sql/statement.ts";

const source = sourceFor(Flight);
const range = { from: Date.parse("2001-05-01T00:00Z"), to: Date.parse("2001-06-01T00:00Z") };
const aggregates = [columns(Flight).count(), columns(Flight).avg("delay")].flatMap(aggregatesOf);
const mean = { divide: [{ aggregate: "sum(delay)" }, { aggregate: "countOf(delay)" }] } as const;

const ranked: AdHocGroups = {
  kind: "ranked",
  dimensions: ["destination", "origin"],
  order: { by: mean, direction: "DESC" },
  from: 1_000,
  to: 2_000,
};
const listed: AdHocGroups = { kind: "listed", dimensions: ["origin"], keys: [["O'Hare"], [null]] };
const asked = (groups?: AdHocGroups): AdHocQuestion => ({
  where: [],
  range,
  by: null,
  ...(groups && { groups }),
});

describe("questions that ask for groups", () => {
  it("stand in the one statement: typed columns, ranks cut in SQL, values as parameters", () => {
    const { sql, parameters } = adHocStatement(source, [asked(), asked(ranked), asked(listed)], aggregates);
    expect(sql).toBe(`SELECT "c0", "c1", "c2", "c3", "c4", "c5", "c6", "rank", "groups"
FROM (
SELECT "c0", "c1", "c2", "c3", "c4", "c5", "c6",
  CASE "c0" WHEN 2 THEN row_number() OVER (PARTITION BY "c0" ORDER BY (CAST("c3" AS double) / nullif(CAST("c4" AS double), 0e0)) DESC NULLS LAST, "c5" ASC NULLS LAST, "c6" ASC NULLS LAST) END AS "rank",
  count(*) OVER (PARTITION BY "c0") AS "groups"
FROM (
SELECT "sluice_question" AS "c0", CAST(NULL AS timestamp) AS "c1",
  count(*) AS "c2",
  coalesce(sum("delay"), 0) AS "c3",
  count("delay") AS "c4",
  CASE WHEN "sluice_question" IN (2) THEN "destination" END AS "c5",
  CASE WHEN "sluice_question" IN (2, 3) THEN "origin" END AS "c6"
FROM "aviation"."flights" CROSS JOIN UNNEST(ARRAY[1, 2, 3]) AS "sluice"("sluice_question")
WHERE "day" BETWEEN ? AND ?
  AND (("sluice_question" = 1 AND "date" >= ? AND "date" < ?)
    OR ("sluice_question" = 2 AND "date" >= ? AND "date" < ?)
    OR ("sluice_question" = 3 AND "date" >= ? AND "date" < ? AND ("origin" IN (?) OR "origin" IS NULL)))
GROUP BY 1, 2, 6, 7
)
)
WHERE "rank" IS NULL OR "rank" = 1
  OR ("c0" = 2 AND "rank" > ? AND "rank" <= ?)`);
    expect(parameters.slice(-3)).toEqual(["'O''Hare'", "1000", "2000"]);
    expect(parameters).toHaveLength(sql.split("?").length - 1);
    expect(new TrinoSQL().validate(sql)).toEqual([]);
  });

  it("are ranked nowhere when all of them list their groups", () => {
    const { sql } = adHocStatement(source, [asked(listed)], aggregates);
    expect(sql).not.toContain("row_number");
    expect(new TrinoSQL().validate(sql)).toEqual([]);
  });

  it("find a text that no parameter can hold by how it begins", () => {
    const text = `${"'".repeat(200)}${"😀".repeat(500)}`;
    const keys = [[text, "x"]];
    const groups: AdHocGroups = { kind: "listed", dimensions: ["origin", "destination"], keys };
    const { sql, parameters } = adHocStatement(source, [asked(groups)], aggregates);
    expect(sql).toContain(`(starts_with("origin", ?) AND "destination" = ?)`);
    expect(parameters.at(-2)).toBe(`'${"''".repeat(200)}${"😀".repeat(50)}'`);
  });

  it("are read back from rows, also by who has the layout as JSON only", () => {
    const statement = adHocStatement(source, [asked(), asked(ranked), asked(listed)], aggregates);
    const layout = JSON.parse(JSON.stringify(statement.layout)) as typeof statement.layout;
    const rows = [
      ["2", null, "4", "8", "2", "SFO", null, "1002", "1234"],
      ["2", null, "9", "-3", "3", "LAX", "ORD", "1001", "1234"],
      ["2", null, "1", "1", "1", "AAA", "AAA", "1", "1234"],
      ["3", null, "5", "6", "7", null, "ORD", null, "2"],
      ["1", null, "10", "20", "30", null, null, null, "1"],
    ];
    expect(readGroups(layout, rows, 2, ranked)).toEqual({
      total: 1234,
      groups: [
        {
          key: ["LAX", "ORD"],
          aggregates: new Map([
            ["count(*)", 9],
            ["sum(delay)", -3],
            ["countOf(delay)", 3],
          ]),
        },
        {
          key: ["SFO", null],
          aggregates: new Map([
            ["count(*)", 4],
            ["sum(delay)", 8],
            ["countOf(delay)", 2],
          ]),
        },
      ],
    });
    expect(readGroups(layout, rows, 3, listed).groups.map(({ key }) => key)).toEqual([["ORD"]]);
    expect(readResult(layout, rows, 1).get(0)).toEqual(
      new Map([
        ["count(*)", 10],
        ["sum(delay)", 20],
        ["countOf(delay)", 30],
      ]),
    );
  });
});
