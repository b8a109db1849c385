/** The subject: a gateway over a broadcast in memory, with no stores behind it. */
import pino from "pino";
import { memoryBroadcast } from "../src/backends/broadcast.memory.ts";
import type { Session } from "../src/schema/context.ts";
import { startGateway } from "../src/server/gateway.ts";
import { liveFeeds } from "../src/subscriptions/live-feeds.ts";
import { serveLoads } from "./broadcasting.ts";
import { reading, readingActivity, readingUpdate } from "./readings.ts";

const broadcast = memoryBroadcast({ retainMs: 60_000, retainMax: 100, clock: Date.now, epoch: "bench" });
const nothing = (): never => {
  throw new Error("The bench asks for feeds alone.");
};
const session: Session = {
  insight: nothing,
  groups: nothing,
  catalogue: nothing,
  adHocJob: nothing,
  cancelAdHocJob: nothing,
  adHocJobUpdates: nothing,
  extensions: () => ({ manifest: {}, provenance: [] }),
};
let ids = 0;
const gateway = await startGateway({
  products: [readingActivity()],
  host: "127.0.0.1",
  port: 0,
  newSession: () => session,
  live: liveFeeds({ broadcast, cursorSecret: "of the bench", retryMs: () => 1_000 }),
  ready: async () => true,
  graphiql: { title: "Bench", defaultQuery: "" },
  log: pino({ level: "warn" }),
  now: Date.now,
  newId: () => String(++ids),
});
serveLoads(gateway.wsUrl, (update, { readings, noteBytes }) => {
  const events = Array.from({ length: readings }, (_, i) => reading(update * readings + i, noteBytes));
  void broadcast.publish(readingUpdate(update + 1, events));
});
