/** When sockets are written to, and when they are asked for a sign of life. By a clock of the test's own. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readEnvironment } from "../../bin/environment.ts";
import { KeepAlive } from "../../src/server/keep-alive.ts";
import { Ticker } from "../../src/server/ticker.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the first after a quiet tick is flushed at once, what follows within the tick at its end", () => {
  const flushes: string[] = [];
  const flushed = (name: string) => ({ flush: () => void flushes.push(name) });
  const ticker = new Ticker(40, () => Date.now());
  ticker.schedule(flushed("a"));
  vi.advanceTimersByTime(1);
  expect(flushes).toEqual(["a"]);
  ticker.schedule(flushed("b"));
  vi.advanceTimersByTime(20);
  ticker.schedule(flushed("c"));
  expect(flushes).toEqual(["a"]);
  vi.advanceTimersByTime(20);
  expect(flushes).toEqual(["a", "b", "c"]);
  vi.advanceTimersByTime(1_000);
  ticker.schedule(flushed("d"));
  vi.advanceTimersByTime(1);
  expect(flushes).toEqual(["a", "b", "c", "d"]);
});

test("thousands are flushed once each, also those that come meanwhile", () => {
  const flushes = new Map<number, number>();
  const ticker = new Ticker(0, () => Date.now());
  const schedule = (i: number): void =>
    ticker.schedule({
      flush: () => {
        flushes.set(i, (flushes.get(i) ?? 0) + 1);
        if (i % 1_000 === 0) schedule(i + 1_000_001);
      },
    });
  for (let i = 0; i < 5_000; i++) schedule(i);
  vi.advanceTimersByTime(100);
  expect(flushes.size).toBe(5_005);
  expect(new Set(flushes.values())).toEqual(new Set([1]));
});

test("every connection is asked for a sign of life once a round, whenever it came, and not after it left", () => {
  const keepAlive = new KeepAlive();
  const asked = new Map<number, number>();
  const leaves: (() => void)[] = [];
  for (let i = 0; i < 50; i++) {
    leaves.push(keepAlive.add(() => void asked.set(i, (asked.get(i) ?? 0) + 1)));
    vi.advanceTimersByTime(300);
  }
  const before = new Map(asked);
  vi.advanceTimersByTime(20_000);
  for (let i = 0; i < 50; i++) expect(asked.get(i)! - (before.get(i) ?? 0)).toBe(1);
  for (const leave of leaves) leave();
  vi.advanceTimersByTime(60_000);
  for (let i = 0; i < 50; i++) expect(asked.get(i)! - (before.get(i) ?? 0)).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("the tick is a setting: 50 ms, or up to a second, or none", () => {
  const tick = (SLUICE_SOCKET_TICK_MS?: string) =>
    readEnvironment(SLUICE_SOCKET_TICK_MS === undefined ? {} : { SLUICE_SOCKET_TICK_MS }, "/").socketTickMs;
  expect([tick(), tick("0"), tick("1000")]).toEqual([50, 0, 1_000]);
  for (const wrong of ["-1", "1001", "20ms", ""])
    expect(() => tick(wrong)).toThrow("SLUICE_SOCKET_TICK_MS is a whole number from 0 to 1000.");
});
