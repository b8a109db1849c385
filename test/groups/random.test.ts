/** Random grouped questions, each held against plain DuckDB: groups, order, numbers and counts, wherever they come from. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { seeded } from "../property/random.ts";
import { type Answer, type Asking, asking, type Json, rowsOf, sourcesOf } from "./asking.ts";
import { dimensions, measures, stallActivity, towns, writeSales } from "./stalls.ts";

const days = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03"];
const seed = Number(process.env["SLUICE_SEED"] ?? 4);
const questions = Number(process.env["SLUICE_QUESTIONS"] ?? 120);
let cloud: Cloud;
let ask: Asking;

beforeAll(async () => {
  cloud = await startCloud();
  for (const [i, day] of days.slice(0, 4).entries()) await writeSales(cloud, day, i);
  await refresh(stallActivity, cloud.deps);
  // a changed and a new day of an open month stand beside it, with leaderboards of their own
  for (const [i, day] of days.slice(3).entries()) await writeSales(cloud, day, 30 + i);
  await refresh(stallActivity, cloud.deps);
  await cloud.duck.run(
    `CREATE TABLE sales AS SELECT * FROM read_parquet('${cloud.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false)`,
  );
  ask = asking(cloud, buildSluiceSchema([stallActivity]), gateway(cloud));
});
afterAll(() => cloud.close());

type Name = keyof typeof dimensions;
const names = Object.keys(dimensions) as Name[];
const stored = ["sales", "revenue", "meanPrice", "dearest", "odd"];

interface Question {
  readonly by: readonly Name[];
  readonly where: Record<string, Json>;
  readonly filter: string;
  readonly from: string;
  readonly to: string;
  readonly measure: string | null;
  readonly direction: "ASC" | "DESC";
  readonly first: number;
  readonly selected: readonly string[];
}

const edges = ["2024-01-01", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03", "2024-03-01"];

type Pick = <T>(values: readonly T[]) => T;

function randomQuestion(random: () => number): Question {
  const pick: Pick = (values) => values[Math.floor(random() * values.length)]!;
  return random() < 0.25 ? leaders(random, pick) : anything(random, pick);
}

/** The few that lead one bucket: what boards that are not whole can tell. */
function leaders(random: () => number, pick: Pick): Question {
  const [one, other] = [pick(towns.slice(1)), pick(towns.slice(1))] as [string, string];
  const held = pick([
    { by: ["STALL"], where: { town: { eq: one } }, filter: `town = '${one}'` },
    { by: ["STALL"], where: { town: { isNull: true } }, filter: "town IS NULL" },
    {
      by: ["STALL", "TOWN"],
      where: { town: { in: [one, other] } },
      filter: `town IN ('${one}', '${other}')`,
    },
    {
      by: ["TOWN", "STALL"],
      where: { town: { in: [one, other] } },
      filter: `town IN ('${one}', '${other}')`,
    },
    { by: ["STALL", "CASH"], where: {}, filter: "TRUE" },
    { by: ["CASH", "STALL"], where: {}, filter: "TRUE" },
  ] as const);
  const [from, to] = pick<readonly [string, string]>([
    ["2024-02-01", "2024-02-02"],
    ["2024-01-31", "2024-02-01"],
    ["2024-01-01", "2024-02-01"],
  ]);
  return {
    ...held,
    from: `${from}T00:00:00Z`,
    to: `${to}T00:00:00Z`,
    measure: pick(stored),
    direction: random() < 0.9 ? "DESC" : "ASC",
    first: pick([1, 2, 3, 4, 5]),
    selected: stored,
  };
}

function anything(random: () => number, pick: Pick): Question {
  const some = <T>(values: readonly T[], share: number): T[] => values.filter(() => random() < share);
  const rollup = pick<Name[]>([
    ["TOWN"],
    ["TOWN", "STALL"],
    ["STALL", "CASH"],
    ["CASH"],
    ["SIZE"],
    ["PICKED"],
  ]);
  const chosen = random() < 0.75 ? rollup : some(names, 0.35);
  const by = (chosen.length > 0 ? chosen : rollup).toSorted(() => random() - 0.5);
  const conditions = conditionsOf(random, pick);
  const held = random() < 0.5 ? [pick(Object.keys(conditions) as (keyof typeof conditions)[])] : [];
  const grouped = by.length > 1 && held.length > 0 && random() < 0.4 ? by.slice(1) : by;
  const [a, b] = [pick(edges), pick(edges)].sort() as [string, string];
  const [from, to] = a === b ? ["2024-02-01", "2024-02-02"] : [a, b];
  const hour = random() < 0.2 ? "T06:00:00Z" : "T00:00:00Z";
  return {
    by: grouped,
    where: Object.fromEntries(held.map((each) => [each, conditions[each].where])),
    filter: held.map((each) => conditions[each].sql).join(" AND ") || "TRUE",
    from: `${from}T00:00:00Z`,
    to: `${to}${hour}`,
    measure: random() < 0.7 ? pick(random() < 0.75 ? stored : Object.keys(measures)) : null,
    direction: pick(["ASC", "DESC", "DESC"] as const),
    first: pick([1, 3, 4, 10, 1_000]),
    selected: [
      ...new Set([...some(stored, 0.6), "sales", ...(random() < 0.3 ? ["median", "oddMedian"] : [])]),
    ],
  };
}

function conditionsOf(random: () => number, pick: Pick) {
  const [one, other] = [pick(towns.slice(1)), pick(towns.slice(1))] as [string, string];
  return {
    town: pick([
      { where: { eq: one }, sql: `town = '${one}'` },
      { where: { in: [one, other] }, sql: `town IN ('${one}', '${other}')` },
      { where: { isNull: true }, sql: "town IS NULL" },
      { where: { ne: one }, sql: `town <> '${one}'` },
    ]),
    stall: pick([
      { where: { in: [1, 2, 77] }, sql: "stall IN (1, 2, 77)" },
      { where: { gte: 3 }, sql: "stall >= 3" },
    ]),
    price: { where: { gte: 1 }, sql: "price >= 1" },
    cash: pick(
      [
        { where: { eq: random() < 0.5 }, sql: "" },
        { where: { isNull: true }, sql: "cash IS NULL" },
      ].map(({ where, sql }) => ({ where, sql: sql || `cash = ${String((where as Json).eq)}` })),
    ),
  };
}

async function expectTrue(question: Question): Promise<Answer> {
  const { by, where, from, to, measure, direction, first, selected } = question;
  const columns = by.map((name) => dimensions[name]);
  const order = measure === null ? "" : `orderBy: { measure: ${enumOf(measure)}, direction: ${direction} }`;
  const answer = await ask(
    `query($where: StallActivityFilter) { groups: stallActivityBy(dimensions: [${by.join(", ")}], where: $where,
      range: { from: "${from}", to: "${to}" }, ${order} first: ${first}) {
        nodes { ${columns.join(" ")} ${selected.join(" ")} from to complete } pageInfo { hasNextPage hasPreviousPage } totalCount } }`,
    { where },
  );
  const context = JSON.stringify(question);
  expect({ context, messages: answer.messages }).toEqual({ context, messages: [] });
  const ordered =
    measure === null ? "" : `${measures[measure as keyof typeof measures]} ${direction} NULLS LAST,`;
  const rows = await rowsOf(
    cloud,
    `SELECT ${columns.join(", ")}, ${selected.map((name) => `${measures[name as keyof typeof measures]} AS "${name}"`).join(", ")},
      CAST(count(*) OVER () AS INTEGER) AS total FROM sales
     WHERE "at" >= TIMESTAMP '${plainTime(from)}' AND "at" < TIMESTAMP '${plainTime(to)}' AND ${question.filter}
     GROUP BY ${columns.join(", ")} ORDER BY ${ordered} ${columns.map((column) => `${column} ASC NULLS LAST`).join(", ")} LIMIT ${first}`,
  );
  const total = rows[0]?.total ?? 0;
  const { nodes, pageInfo, totalCount } = answer.data.groups;
  const shown = nodes.map((node: Json) =>
    Object.fromEntries([...columns, ...selected].map((name) => [name, node[name]])),
  );
  expect({ context, shown }).toEqual({ context, shown: rows.map((row) => ({ ...row, total: undefined })) });
  expect({ context, more: pageInfo.hasNextPage }).toEqual({ context, more: total > first });
  expect([total, null]).toContain(totalCount);
  return answer;
}

const enumOf = (name: string): string => name.replaceAll(/[A-Z]/g, (each) => `_${each}`).toUpperCase();
const plainTime = (at: string): string => at.slice(0, 19).replace("T", " ");

test(`${questions} random questions are answered as DuckDB does, from boards, pinned keys and Athena (SLUICE_SEED=${seed})`, async () => {
  const random = seeded(seed);
  const seen: Record<string, number> = {};
  for (let i = 0; i < questions; i++) {
    const answer = await expectTrue(randomQuestion(random));
    const source = sourcesOf(answer, "groups.nodes").join();
    const counted = answer.data.groups.totalCount === null ? "leaders" : "all";
    seen[`${source} ${counted}`] = (seen[`${source} ${counted}`] ?? 0) + 1;
    // none for a question that was asked before
    expect(answer.statements.length).toBeLessThanOrEqual(1);
  }
  for (const kind of ["EDITION all", "EDITION leaders", "ATHENA all", "ATHENA,EDITION all"])
    expect([kind, (seen[kind] ?? 0) > 3]).toEqual([kind, true]);
});
