import { afterAll, beforeAll } from "vitest";
import { waitFor } from "../../etl/live/effects.ts";
import { redisBroadcast, type RedisBroadcast } from "../../src/backends/broadcast.redis.ts";
import { broadcastConformance } from "./conformance.ts";
import { testRedis, type TestRedis } from "./redis-server.ts";

let redis: TestRedis;
beforeAll(async () => void (redis = await testRedis()));
afterAll(() => redis.remove());

let keys = 0;

broadcastConformance("over Redis", async () => {
  const key = `conformance:${++keys}`;
  const joined: RedisBroadcast[] = [];
  return {
    join: async () => {
      const broadcast = await redisBroadcast({
        url: redis.url,
        key,
        retainMs: 60_000,
        retainMax: 1_000,
        random: Math.random,
        wait: waitFor,
        warn: () => {},
      });
      joined.push(broadcast);
      return broadcast;
    },
    close: async () => {
      await Promise.all(joined.map((each) => each.close()));
    },
  };
});
