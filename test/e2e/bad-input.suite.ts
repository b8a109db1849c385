/** Bad input gets a clear error with a stable code, and the server goes on. */
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ask, data, follow, socket } from "./client.ts";
import type { Stage } from "./truth.ts";

const bad: readonly (readonly [what: string, query: string, message: RegExp])[] = [
  ["an unknown field", "{ flightActivity { flightz } }", /flightz.*Did you mean "flights"/s],
  ["a bad date", `{ flightActivity(range: {from: "yesterday"}) { flights } }`, /yesterday/],
  [
    "a reversed range",
    `{ flightActivity(range: {from: "2001-02-01T00:00:00Z", to: "2001-01-01T00:00:00Z"}) { flights } }`,
    /2001-02-01.*2001-01-01/s,
  ],
  ["an unknown enum value", "{ flightActivity { series(grain: FORTNIGHT) { flights } } }", /FORTNIGHT/],
  ["a filter with null", "{ flightActivity(where: {origin: {eq: null}}) { flights } }", /isNull/],
  ["a syntax error", "{ flightActivity { ", /Syntax Error/],
  [
    "too long a series",
    `{ flightActivity(range: {from: "1900-01-01T00:00:00Z", to: "2001-01-01T00:00:00Z"}) { series(grain: HOUR) { flights } } }`,
    /at most/,
  ],
];

export function badInputSuite(stage: () => Stage): void {
  describe("bad input", () => {
    it.each(bad)("%s is refused over HTTP", async (_, query, message) => {
      const answer = await ask(stage().demo.url, query);
      const [error] = answer.errors ?? [];
      expect(error?.extensions.code).toBe("BAD_USER_INPUT");
      expect(error?.message).toMatch(message);
      expect(JSON.stringify(answer)).not.toMatch(/node_modules|\.ts:\d|stack/);
    });

    it("too many keys times buckets is refused before anything is read", async () => {
      const keys = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => `K${i}`));
      stage().demo.count.reset();
      const answer = await ask(
        stage().demo.url,
        `{ flightActivity(where: {origin: {in: ${keys}}}, range: {from: "2001-01-01T00:00:00Z", to: "2001-06-01T00:00:00Z"}) { series(grain: HOUR) { flights } } }`,
      );
      expect(answer.errors?.[0]?.extensions.code).toBe("QUERY_TOO_COMPLEX");
      expect(stage().demo.count.of("BatchGetCommand") + stage().demo.count.of("BatchGetItemCommand")).toBe(0);
    });

    it("leaves a socket and its other subscriptions running", async () => {
      const client = socket(stage().demo.url);
      const good = follow(
        client,
        `subscription { flightActivityUpdated(where: {origin: {eq: "ATL"}}) { flights } }`,
      );
      await good.until(({ length }) => length > 0, "the snapshot");
      for (const [what, query] of [
        ...bad.slice(0, 2),
        ["not live", "subscription { flightActivityUpdated(where: {delay: {gte: 5}}) { flights } }"] as const,
      ]) {
        const refused = follow(client, query);
        await expect(refused.until(() => false, what)).rejects.toThrow(/BAD_USER_INPUT|NOT_LIVE/);
      }
      const again = follow(client, "{ flightActivity { flights } }");
      await again.until(({ length }) => length === 1, "an answer on the same socket");
      await client.dispose();
    });

    it("closes a socket that sends garbage with 4400, and answers the next question", async () => {
      const raw = new WebSocket(stage().demo.url.replace("http", "ws"), "graphql-transport-ws");
      const closed = new Promise<number>((resolve) => raw.once("close", resolve));
      raw.once("open", () => raw.send("{ this is no message"));
      expect(await closed).toBe(4400);
      expect(
        (await data(stage().demo.url, "{ flightActivity { flights } }")).flightActivity.flights,
      ).toBeGreaterThan(0);
    });
  });
}
