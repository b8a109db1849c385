/** The settings of the broadcast: what they take, and what is refused with the rule and without a password. */
import { describe, expect, test } from "vitest";
import { readEnvironment } from "../../bin/environment.ts";
import { requireSharedSecret } from "../../bin/gateway.ts";

const read = (env: Record<string, string> = {}) => readEnvironment(env, "/");

test("by default every process is for itself, and a feed may be resumed for an hour", () => {
  expect(read()).toMatchObject({ redis: null, feedRetainMs: 3_600_000 });
  expect(read({ SLUICE_FEED_RETAIN: "PT5M" }).feedRetainMs).toBe(300_000);
});

test.each([
  "redis://127.0.0.1:6379",
  "redis://cache",
  "rediss://user:pass%40word@cache.example:6380/2",
  "redis://[::1]:6379/0",
])("%s is where processes meet", (url) => {
  expect(read({ SLUICE_REDIS: url }).redis).toBe(url);
});

test.each([
  "",
  "cache:6379",
  "http://:s3cret@cache",
  "redis://:s3cret/@cache",
  "redis://:s3cret@cache/none",
  "redis://:s3cret%zz@cache",
  "redis://",
])("%s is not, and what it holds is not shown", (url) => {
  const failure = (() => {
    try {
      return read({ SLUICE_REDIS: url });
    } catch (error) {
      return error as Error;
    }
  })();
  expect(failure).toMatchObject({
    code: "BAD_USER_INPUT",
    message: expect.stringContaining("SLUICE_REDIS is redis://"),
  });
  expect((failure as Error).message).not.toContain("s3cret");
});

describe("gateways that share a Redis", () => {
  test("share the secret of their cursors", () => {
    expect(() => requireSharedSecret(read({ SLUICE_REDIS: "redis://cache" }))).toThrow(
      "SLUICE_CURSOR_SECRET is not",
    );
    requireSharedSecret(read({ SLUICE_REDIS: "redis://cache", SLUICE_CURSOR_SECRET: "x" }));
    requireSharedSecret(read());
  });
});
