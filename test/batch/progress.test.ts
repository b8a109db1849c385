import { expect, test } from "vitest";
import { type Progress, progressRenderer } from "../../etl/batch/progress.ts";

function rendered(terminal: boolean, events: readonly (Progress & { readonly at: number })[]): string {
  let now = 0;
  let text = "";
  const show = progressRenderer({
    write: (part) => (text += part),
    clock: () => now,
    terminal,
    subject: "P",
  });
  for (const event of events) {
    now = event.at;
    show(event);
  }
  return text;
}

const load = (at: number, done: number) => ({ at, stage: "load" as const, done, total: 40, unit: "periods" });

test("a terminal sees a bar with rate and remaining time", () => {
  expect(rendered(true, [load(0, 0), load(2_000, 10)])).toContain(
    "load     ██████░░░░░░░░░░░░░░░░░░ 10/40 periods, 5 periods/s, 6 s left",
  );
  expect(rendered(true, [load(0, 0), load(8_000, 40)])).toMatch(/40\/40 periods, 8\.0 s\n$/);
});

test("where items or rows are known it shows them, and their rate", () => {
  const items = rendered(true, [load(0, 0), { ...load(2_000, 10), items: 12_345 }]);
  expect(items).toContain("10/40 periods, 12,345 items, 6,173 items/s, 6 s left");
  const audit = { stage: "audit" as const, total: 40, unit: "partitions" };
  const rows = rendered(true, [
    { ...audit, at: 0, done: 0, rows: 0 },
    { ...audit, at: 4_000, done: 20, rows: 300 },
    { ...audit, at: 9_000, done: 40, rows: 2_000_000 },
  ]);
  expect(rows).toContain("P audit    ░░░░░░░░░░░░░░░░░░░░░░░░ 0/40 partitions, 0 rows");
  expect(rows).toContain("20/40 partitions, 300 rows, 75 rows/s, 4 s left");
  expect(rows).toMatch(/40\/40 partitions, 2,000,000 rows, 9\.0 s\n$/);
});

test("items that are written before the first period is done have a rate and no remaining time", () => {
  expect(rendered(true, [load(0, 0), { ...load(1_000, 0), items: 500 }])).toMatch(
    /0\/40 periods, 500 items, 500 items\/s$/,
  );
});

test("elsewhere a finished stage is one line of JSON, with what is known", () => {
  const text = rendered(false, [load(0, 0), load(1_000, 10), load(3_000, 40)]);
  expect(text).toBe('{"refresh":"P","stage":"load","done":40,"unit":"periods","durationMs":3000}\n');
  const counted = rendered(false, [load(0, 0), { ...load(3_000, 40), items: 7, rows: 9 }]);
  expect(counted).toBe(
    '{"refresh":"P","stage":"load","done":40,"unit":"periods","rows":9,"items":7,"durationMs":3000}\n',
  );
});

test("stages follow one another, each with its own time", () => {
  const publish = { stage: "publish" as const, done: 1, total: 1, unit: "editions" };
  const text = rendered(false, [load(0, 0), load(1_000, 40), { ...publish, at: 1_500 }]);
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toMatchObject([
    { stage: "load", durationMs: 1_000 },
    { stage: "publish", durationMs: 0 },
  ]);
});
