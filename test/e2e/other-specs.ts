/** The measures of `other-declarations.ts` once more, in plain SQL: what each answer has to be. */
import type { FilterColumns } from "../property/where.ts";
import { floats, kinds, labels, names, seens, type Table } from "./other-rows.ts";

export interface Spec {
  readonly field: string;
  readonly table: Table;
  readonly stored: Readonly<Record<string, string>>;
  readonly adHoc: Readonly<Record<string, string>>;
  /** Every column that a filter may name, and values worth asking for. */
  readonly columns: FilterColumns;
  readonly rollups: readonly {
    readonly dimensions: readonly string[];
    readonly finest: "hour" | "day" | "month";
  }[];
  /** First instant of the first partition, and the end of what is covered. */
  readonly from: string;
  readonly until: string;
}

const percentile = (column: string, p: number): string => `quantile_disc(${column}, ${p})`;
const when = (condition: string): string => `count(*) FILTER (WHERE ${condition})`;
const sum = (column: string): string => `coalesce(sum(${column}), 0)`;

const over = (a: string, b: string): string => `(${a})::DOUBLE / nullif(${b}, 0)`;

const labelColumn = ["string", labels] as const;
const day = when("express AND cost >= 0");

export const thingActivity: Spec = {
  field: "thingActivity",
  table: "things",
  stored: {
    rollup: "count(*)",
    n: sum("n"),
    c1: sum("cost"),
    k0: "avg(cost)",
    costMin: "min(cost)",
    costMax: "max(cost)",
    levelMin: "min(level)",
    sluice_question: "max(rolled)",
    v0: sum("weight"),
    day,
    ifIn: when("label IN ('a', 'it''s', '')"),
    ifNotIn: when(`label NOT IN ('a', 'say "hi"')`),
    ifNe: when("label <> 'a' AND cost < 1.5"),
    ifStarts: when("c0[1:3] = '#%_'"),
    ifNull: when("seen IS NULL"),
    ifSeen: when("seen >= TIMESTAMP '2024-01-01 00:00:00.500' AND bucket IS NOT NULL"),
    part: over(day, "count(*)"),
    at_hour: over(sum("cost"), day),
  },
  adHoc: {
    median: percentile("n", 0.5),
    p90: percentile("cost", 0.9),
    p100: "max(cost)",
    labels: "count(DISTINCT label)",
    seens: "count(DISTINCT seen)",
    booleans: "count(DISTINCT express)",
    costs: "count(DISTINCT cost)",
    adHocRatio: over(percentile("cost", 0.9), "count(DISTINCT label)"),
    deviation: "stddev_samp(cost)",
    // an sql expression of nothing is null
    counted: `nullif(count(*), 0) * 0 + ${when("mixed AND level > 0")}`,
  },
  columns: {
    at: ["datetime", ["2024-01-01T00:00:00Z", "2024-02-29T12:00:00Z", "2023-12-31T23:59:59.999Z"]],
    express: ["boolean", [true, false]],
    level: ["int", [-3, 0, 7, 2 ** 40]],
    label: labelColumn,
    c0: ["string", names],
    cost: ["float", [0, -123.456, 250]],
    n: ["int", [-100, 0, 499]],
    bucket: ["float", floats],
    seen: ["datetime", seens],
    rolled: ["int", [0, 50]],
    weight: ["float", [0.25, 0.75]],
    mixed: ["boolean", [true, false]],
    part: ["int", [0, 4]],
    text: ["string", ["x", "y", "z"]],
  },
  rollups: [
    { dimensions: [], finest: "hour" },
    { dimensions: ["express"], finest: "hour" },
    { dimensions: ["level"], finest: "day" },
    { dimensions: ["label"], finest: "hour" },
    { dimensions: ["c0"], finest: "day" },
    { dimensions: ["bucket"], finest: "month" },
    { dimensions: ["seen"], finest: "day" },
    { dimensions: ["express", "label", "level"], finest: "day" },
  ],
  from: "2023-12-30T00:00:00.000Z",
  until: "2024-03-03T00:00:00.000Z",
};

export const thingMonth: Spec = {
  ...thingActivity,
  field: "thingMonth",
  stored: { things: "count(*)", most: "max(cost)" },
  adHoc: { names: "count(DISTINCT c0)" },
  rollups: [{ dimensions: ["label"], finest: "month" }],
};

const echoColumns = {
  at: ["datetime", ["2023-12-31T23:59:59.999Z", "2024-02-29T00:00:00Z"]],
  kind: ["string", kinds],
  code: ["int", [-1, 0, 1, 404, 5]],
  loud: ["boolean", [true, false]],
  power: ["float", floats],
  heard: ["datetime", ["2024-03-01T00:00:00Z", "2024-03-01T00:00:00.001Z", "2000-02-29T23:59:59Z"]],
} as const satisfies FilterColumns;

export const echoActivity: Spec = {
  field: "echoActivity",
  table: "echoes",
  stored: {
    echoes: "count(*)",
    powerSum: sum("power"),
    codeMean: "avg(code)",
    powerMin: "min(power)",
    powerMax: "max(power)",
    early: when("heard < TIMESTAMP '2024-03-01 00:00:00.001'"),
  },
  adHoc: { median: percentile("power", 0.5), kinds: "count(DISTINCT kind)" },
  columns: echoColumns,
  rollups: [
    { dimensions: [], finest: "hour" },
    { dimensions: ["kind"], finest: "day" },
    { dimensions: ["loud", "code", "kind"], finest: "day" },
    { dimensions: ["heard"], finest: "day" },
    { dimensions: ["code"], finest: "month" },
    { dimensions: ["power"], finest: "day" },
  ],
  from: "2023-12-01T00:00:00.000Z",
  until: "2024-02-28T00:00:00.000Z",
};

export const quietEcho: Spec = {
  ...echoActivity,
  field: "quietEcho",
  stored: { echoes: "count(*)", codes: sum("code") },
  adHoc: {},
  rollups: [
    { dimensions: ["kind"], finest: "day" },
    { dimensions: ["loud"], finest: "month" },
  ],
};

export const pulseActivity: Spec = {
  field: "pulseActivity",
  table: "pulses",
  stored: {
    pulses: "count(*)",
    total: sum("value"),
    mean: "avg(value)",
    least: "min(value)",
    largest: "max(size)",
    negative: when(`"on" AND value < 0`),
  },
  adHoc: { kinds: "count(DISTINCT kind)" },
  columns: {
    kind: ["string", kinds],
    on: ["boolean", [true, false]],
    value: ["float", floats],
    size: ["int", [0, 20]],
  },
  rollups: [
    { dimensions: [], finest: "hour" },
    { dimensions: ["kind"], finest: "hour" },
    { dimensions: ["on", "kind"], finest: "hour" },
  ],
  from: "",
  until: "",
};
