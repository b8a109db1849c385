/** Groups of the demo's flights, in the lake's part: by airport, by route, and by what no rollup holds. */
import { describe, expect, it } from "vitest";
import { ask, type Answer, type Json } from "./client.ts";
import { between, expectSame, inLake, type Stage, stored, storedSql } from "./truth.ts";

const lake = between("2001-01-01", "2001-06-28");

export function groupsSuite(stage: () => Stage): void {
  describe("groups", () => {
    const grouped = async (
      args: string,
      fields: string,
    ): Promise<{ answer: Answer; groups: Json; ran: number }> => {
      const { demo } = stage();
      demo.count.reset();
      const answer = await ask(demo.url, `{ flightActivityBy(${args}) { nodes { ${fields} } totalCount } }`);
      expect(answer.errors).toBeUndefined();
      return {
        answer,
        groups: answer.data.flightActivityBy,
        ran: demo.count.of("StartQueryExecutionCommand"),
      };
    };
    const expectGroups = async (nodes: Json[], sql: string): Promise<void> => {
      const rows = await stage().oracle.rows(sql);
      expect(nodes).toHaveLength(rows.length);
      rows.forEach((row, i) => expectSame(nodes[i], row));
    };

    it("all airports from their segments, latest first", async () => {
      const { groups, ran } = await grouped(
        `dimensions: [ORIGIN], ${inLake}, orderBy: { measure: MEAN_DELAY }, first: 1000`,
        `origin ${stored}`,
      );
      expect([groups.totalCount, ran]).toEqual([229, 0]);
      await expectGroups(
        groups.nodes,
        `SELECT origin, ${storedSql} FROM flights WHERE ${lake} GROUP BY origin ORDER BY "meanDelay" DESC, origin`,
      );
    });

    it("the busiest routes of an airport in one month, from its leaderboard", async () => {
      const march = `range: { from: "2001-03-01T00:00:00Z", to: "2001-04-01T00:00:00Z" }`;
      const { groups, ran } = await grouped(
        `dimensions: [DESTINATION], where: { origin: { eq: "ORD" } }, ${march}, orderBy: { measure: FLIGHTS }, first: 20`,
        `origin destination ${stored}`,
      );
      expect(ran).toBe(0);
      await expectGroups(
        groups.nodes,
        `SELECT origin, destination, ${storedSql} FROM flights WHERE origin = 'ORD' AND ${between("2001-03-01", "2001-04-01")}
         GROUP BY ALL ORDER BY flights DESC, destination LIMIT 20`,
      );
    });

    it("what no rollup holds, ranked by one statement", async () => {
      const { groups, ran } = await grouped(
        `dimensions: [DESTINATION, ORIGIN], where: { distance: { gte: 2000 } }, ${inLake}, orderBy: { measure: P90_DELAY }, first: 30`,
        `origin destination ${stored} p90Delay`,
      );
      expect(ran).toBe(1);
      const sql = `SELECT origin, destination, ${storedSql}, quantile_disc(delay, 0.9) AS "p90Delay" FROM flights
         WHERE distance >= 2000 AND ${lake} GROUP BY ALL ORDER BY "p90Delay" DESC, destination, origin`;
      await expectGroups(groups.nodes, `${sql} LIMIT 30`);
      expect(groups.totalCount).toBe((await stage().oracle.rows(sql)).length);
    });
  });
}
