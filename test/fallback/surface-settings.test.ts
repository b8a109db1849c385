/** The settings of the ad-hoc fallback: their defaults, what they take, and what is refused with the rule. */
import { describe, expect, test } from "vitest";
import { readEnvironment, settings } from "../../bin/environment.ts";

const read = (env: Record<string, string> = {}) => readEnvironment(env, "/").adHocLimits;

test("by default a few executions at a time, a terabyte a day, half an hour each", () => {
  expect(read()).toEqual({ concurrency: 5, bytesPerDay: 1e12, pendingMs: 300_000, maxRunMs: 1_800_000 });
});

test.each([
  ["500MB", 500_000_000],
  ["100GB", 100_000_000_000],
  ["1TB", 1_000_000_000_000],
  ["1.5 tb", 1_500_000_000_000],
  ["0B", 0],
  ["0.5KB", 500],
])("a budget of %s is %i bytes", (text, bytes) => {
  expect(read({ SLUICE_AD_HOC_BUDGET: text }).bytesPerDay).toBe(bytes);
});

test.each([
  ["SLUICE_AD_HOC_CONCURRENCY", "1", { concurrency: 1 }],
  ["SLUICE_AD_HOC_CONCURRENCY", "1000", { concurrency: 1_000 }],
  ["SLUICE_AD_HOC_LEASE", "PT0S", { pendingMs: 0 }],
  ["SLUICE_AD_HOC_LEASE", "P1D", { pendingMs: 86_400_000 }],
  ["SLUICE_AD_HOC_TIMEOUT", "PT1S", { maxRunMs: 1_000 }],
  ["SLUICE_AD_HOC_TIMEOUT", "PT4H", { maxRunMs: 14_400_000 }],
])("%s=%s is taken", (name, text, expected) => {
  expect(read({ [name]: text })).toMatchObject(expected);
});

describe("refused, with the rule and what arrived", () => {
  const bytes = /^SLUICE_AD_HOC_BUDGET is an amount of bytes with its unit: 500MB, 100GB or 1TB\. Got "/;
  test.each([
    ["SLUICE_AD_HOC_CONCURRENCY", "0", /is a whole number from 1 to 1000\. Got "0"/],
    ["SLUICE_AD_HOC_CONCURRENCY", "1.5", /is a whole number from 1 to 1000\. Got "1\.5"/],
    ["SLUICE_AD_HOC_CONCURRENCY", "", /is a whole number/],
    ["SLUICE_AD_HOC_CONCURRENCY", "many", /is a whole number/],
    ["SLUICE_AD_HOC_BUDGET", "", bytes],
    ["SLUICE_AD_HOC_BUDGET", "100", bytes],
    ["SLUICE_AD_HOC_BUDGET", "GB", bytes],
    ["SLUICE_AD_HOC_BUDGET", "-1GB", bytes],
    ["SLUICE_AD_HOC_BUDGET", "1e3GB", bytes],
    ["SLUICE_AD_HOC_BUDGET", "1GiB", bytes],
    ["SLUICE_AD_HOC_BUDGET", "1,5TB", bytes],
    ["SLUICE_AD_HOC_BUDGET", "99999PB", bytes],
    ["SLUICE_AD_HOC_LEASE", "5 minutes", /^SLUICE_AD_HOC_LEASE: A duration is ISO 8601/],
    ["SLUICE_AD_HOC_LEASE", "P2D", /^SLUICE_AD_HOC_LEASE lies between PT0S and P1D\. Got "P2D"/],
    ["SLUICE_AD_HOC_TIMEOUT", "PT0S", /^SLUICE_AD_HOC_TIMEOUT lies between PT1S and PT4H\. Got "PT0S"/],
    ["SLUICE_AD_HOC_TIMEOUT", "PT5H", /^SLUICE_AD_HOC_TIMEOUT lies between PT1S and PT4H\. Got "PT5H"/],
    ["SLUICE_AD_HOC_TIMEOUT", "900", /^SLUICE_AD_HOC_TIMEOUT: A duration is ISO 8601/],
  ])("%s=%s", (name, text, rule) => {
    expect(() => read({ [name]: text })).toThrow(
      expect.objectContaining({
        code: "BAD_USER_INPUT",
        message: expect.stringMatching(rule) as string,
      }) as Error,
    );
  });
});

test("each is listed by --help", () => {
  const listed = settings.map(([name]) => name);
  for (const name of ["WAIT_MS", "CONCURRENCY", "BUDGET", "LEASE", "TIMEOUT"])
    expect(listed).toContain(`SLUICE_AD_HOC_${name}`);
});
