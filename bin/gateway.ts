/** A gateway over the backends: caches, subscriptions, HTTP and WebSocket. */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "pino";
import type { Broadcast } from "../src/backends/broadcast.ts";
import { AdHocJobs } from "../src/loaders/ad-hoc/jobs.ts";
import { type AdHocLimits, adHocLimits } from "../src/loaders/ad-hoc/limits.ts";
import { HeldItems } from "../src/loaders/held-items.ts";
import { LeaderboardCache } from "../src/loaders/leaderboards.ts";
import { LiveStatus } from "../src/loaders/live-status.ts";
import { Manifests } from "../src/loaders/manifests.ts";
import { SegmentCache } from "../src/loaders/segments.ts";
import { openSession, type Shared } from "../src/loaders/session.ts";
import { SluiceError } from "../src/model/errors.ts";
import type { Product } from "../src/model/product.ts";
import { type Gateway, startGateway } from "../src/server/gateway.ts";
import { liveFeeds } from "../src/subscriptions/live-feeds.ts";
import type { Backends } from "./backends.ts";
import type { Environment } from "./environment.ts";
import { exampleProduct, exampleQuery } from "./example-query.ts";

export interface GatewaySettings {
  readonly host: string;
  readonly port: number;
  readonly adHocWaitMs: number;
  /** Where they differ from the usual ones. */
  readonly adHocLimits?: Partial<AdHocLimits>;
  readonly cursorSecret: string | null;
  /** Where it differs from the usual one. */
  readonly socketTickMs?: number;
  readonly log: Logger;
}

/** A cursor of one gateway is good at all that meet over Redis. */
export function requireSharedSecret({
  redis,
  cursorSecret,
}: Pick<Environment, "redis" | "cursorSecret">): void {
  if (redis === null || cursorSecret !== null) return;
  throw new SluiceError(
    "BAD_USER_INPUT",
    "Gateways that share a Redis sign their feeds' cursors with the same secret, so that a client resumes at any of them. SLUICE_REDIS is set, SLUICE_CURSOR_SECRET is not. Set it to the same long random text on every gateway, as of `openssl rand -hex 32`.",
  );
}

/** How often a gateway looks for refreshes of other processes. */
const manifestCheckMs = 1_000;

export async function openGateway(
  products: readonly Product[],
  { insights, control, jobs, warehouse }: Backends,
  broadcast: Broadcast,
  settings: GatewaySettings,
): Promise<Gateway> {
  // ages go by a clock that nobody sets back
  const clock = () => performance.now();
  const manifests = new Manifests({ control, clock });
  const liveStatus = new LiveStatus({ control, clock });
  const adHoc = new AdHocJobs({
    jobs,
    control,
    executions: warehouse,
    limits: { ...adHocLimits, ...settings.adHocLimits },
    clock: Date.now,
    wait: (ms, signal) => wait(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
    token: randomUUID,
    random: Math.random,
  });
  const shared: Shared = {
    insights,
    control,
    adHoc,
    manifests,
    liveStatus,
    segments: new SegmentCache(),
    leaderboards: new LeaderboardCache(),
  };
  const held = new HeldItems({ insights, clock });
  const following: Shared = { ...shared, insights: held.store() };
  // before any subscription is: what it asks again for must be known by then
  const forget = broadcast.subscribe(({ message }) => {
    held.observe(message);
    if (message.kind === "live") liveStatus.observe(message);
    if (message.kind === "published") manifests.expire(message.product);
    if (message.kind === "gap") liveStatus.expire();
  });
  const unwatch = watchManifests(products, manifests, broadcast, settings.log);
  const cursorSecret = settings.cursorSecret ?? randomBytes(32).toString("hex");
  const { host, port, log, adHocWaitMs, socketTickMs } = settings;
  const gateway = await startGateway({
    products,
    host,
    port,
    log,
    newSession: (scope, { signal, waitMs = adHocWaitMs, follows = false }) =>
      openSession(follows ? following : shared, {
        scope,
        adHocWaitMs: Math.min(adHocWaitMs, waitMs),
        signal,
      }),
    live: liveFeeds({ broadcast, cursorSecret, retryMs: () => 500 + 1_000 * Math.random() }),
    ready: async () =>
      (await Promise.all(products.map((product) => manifests.current(product)))).every(
        (each) => each !== null,
      ),
    graphiql: { title: "Sluice", defaultQuery: exampleQuery(exampleProduct(products)) },
    now: Date.now,
    newId: randomUUID,
    ...(socketTickMs !== undefined && { tickMs: socketTickMs }),
  });
  return {
    ...gateway,
    close: async () => {
      unwatch();
      await gateway.close();
      await adHoc.close();
      forget();
    },
  };
}

/** Announces what other processes have published to this one's subscribers. */
function watchManifests(
  products: readonly Product[],
  manifests: Manifests,
  broadcast: Broadcast,
  log: Logger,
): () => void {
  const versions = new Map<string, number>();
  const check = async (product: Product): Promise<void> => {
    const version = (await manifests.current(product))?.version;
    const known = versions.get(product.name);
    if (version === undefined || version === known) return;
    if (known !== undefined) await broadcast.publish({ kind: "published", product: product.name, version });
    // only now: what could not be published is tried again
    versions.set(product.name, version);
  };
  const timer = setInterval(() => {
    for (const product of products)
      check(product).catch((err: unknown) =>
        log.warn({ err, product: product.name }, "the manifest could not be read, or not announced"),
      );
  }, manifestCheckMs);
  return () => clearInterval(timer);
}
