/** The original rows, seeded, and the columns of their tables in plain DuckDB. Imports nothing of `src`. */
import { pick, seeded } from "../property/random.ts";
import type { Row } from "../property/truth.ts";

const longKey = `long ${"ünï#🙂'".repeat(120)}`;
export const labels = [
  "a",
  "b",
  "",
  " ",
  "it's",
  'say "hi"',
  "#%_",
  "ünï🙂",
  "null",
  "total",
  "A",
  longKey,
  null,
];
export const names = [
  "#%_x",
  "#ab",
  "\\",
  "line\nbreak",
  "tab\t",
  "日本",
  "1",
  "x".repeat(600),
  "",
  "[null]",
];
export const days = [
  "2023-12-30",
  "2023-12-31",
  "2024-01-01",
  "2024-01-02",
  "2024-02-28",
  "2024-02-29",
  "2024-03-02",
];
const edges = [
  "00:00:00.000",
  "23:59:59.999",
  "12:00:00.000",
  "11:59:59.999",
  "05:00:00.000",
  "04:59:59.000",
];
export const seens = ["2024-01-01T00:00:00.500Z", "2024-02-29T12:00:00Z", "1969-12-31T23:59:59.999Z", null];
export const floats = [0.1, -2.5, 1e-7, 12345.678, -0.001, 1.5, 3, null];

function timeIn(random: () => number, day: string): string {
  if (random() < 0.25) return `${day}T${pick(random, edges)}Z`;
  const at = Date.parse(`${day}T00:00:00Z`) + Math.floor(random() * 86_400_000);
  return new Date(random() < 0.5 ? at : Math.floor(at / 1_000) * 1_000).toISOString();
}

export function thingRows(): Row[] {
  const random = seeded(1);
  return Array.from({ length: 1_500 }, () => ({
    at: timeIn(random, pick(random, days)),
    express: pick(random, [true, false, null]),
    level: pick(random, [-3, 0, 7, 2 ** 40, null]),
    label: pick(random, labels),
    c0: pick(random, names),
    cost: random() < 0.1 ? null : (random() - 0.6) * 1_000,
    n: Math.floor((random() - 0.5) * 1_000),
    bucket: pick(random, floats),
    seen: pick(random, seens),
    rolled: Math.floor(random() * 100),
    weight: random(),
    mixed: random() < 0.5,
    part: Math.floor(random() * 5),
    text: pick(random, ["x", "y"]),
  }));
}

export const kinds = ["a", "b#1", "", "it's", "日本🙂", longKey, null];

export function echoRows(): Row[] {
  const random = seeded(2);
  const echoDays = [
    "2023-12-31",
    "2024-01-31",
    "2024-02-27",
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2024-03-03",
  ];
  return Array.from({ length: 1_200 }, () => ({
    at: timeIn(random, pick(random, echoDays)),
    kind: pick(random, kinds),
    code: pick(random, [-1, 0, 1, 404, null]),
    loud: pick(random, [true, false, null]),
    power: pick(random, floats),
    heard: pick(random, ["2024-03-01T00:00:00Z", "2024-03-01T00:00:00.001Z", "2000-02-29T23:59:59Z", null]),
  }));
}

/** Pulses at times that `at` makes. */
export function pulseRows(seed: number, count: number, at: (random: () => number) => number): Row[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    at: new Date(at(random)).toISOString(),
    kind: pick(random, kinds),
    on: random() < 0.5,
    value: pick(random, floats),
    size: Math.floor(random() * 100) - 50,
  }));
}

export const columnTypes = {
  things: `"at" TIMESTAMP, express BOOLEAN, level BIGINT, label VARCHAR, c0 VARCHAR, cost DOUBLE, n BIGINT, bucket DOUBLE,
    seen TIMESTAMP, rolled BIGINT, weight DOUBLE, mixed BOOLEAN, part BIGINT, text VARCHAR`,
  echoes: `"at" TIMESTAMP, kind VARCHAR, code BIGINT, loud BOOLEAN, power DOUBLE, heard TIMESTAMP`,
  pulses: `"at" TIMESTAMP, kind VARCHAR, "on" BOOLEAN, value DOUBLE, size BIGINT`,
} as const;
export type Table = keyof typeof columnTypes;
