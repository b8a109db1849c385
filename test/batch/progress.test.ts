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
    "load     ██████░░░░░░░░░░░░░░░░░░ 10/40 periods, 5.0/s, 6 s left",
  );
  expect(rendered(true, [load(0, 0), load(8_000, 40)])).toMatch(/40\/40 periods, 8\.0 s\n$/);
});

test("elsewhere a finished stage is one line of JSON", () => {
  const text = rendered(false, [load(0, 0), load(1_000, 10), load(3_000, 40)]);
  expect(text).toBe('{"refresh":"P","stage":"load","done":40,"unit":"periods","durationMs":3000}\n');
});
