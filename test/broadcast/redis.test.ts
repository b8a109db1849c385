import { afterAll, beforeAll } from "vitest";
import type { RedisBroadcast } from "../../src/backends/broadcast.redis.ts";
import { broadcastConformance } from "./conformance.ts";
import { node, testRedis, type TestRedis } from "./redis-server.ts";

let redis: TestRedis;
beforeAll(async () => void (redis = await testRedis()));
afterAll(() => redis.remove());

let meetings = 0;

broadcastConformance("over Redis", async () => {
  const key = `meeting:${++meetings}`;
  const joined: RedisBroadcast[] = [];
  return {
    join: async () => {
      const broadcast = await node(redis, key);
      joined.push(broadcast);
      return broadcast;
    },
    close: async () => void (await Promise.all(joined.map((each) => each.close()))),
  };
});
