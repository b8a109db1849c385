/** Subscriptions that are left at once leave nothing behind. */
import { type DocumentNode, getOperationAST, parse } from "graphql";
import { expect, test } from "vitest";
import { analystScope } from "../../src/model/scope.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { type Asked, type Member, SharedOperations } from "../../src/subscriptions/shared-operations.ts";
import { openShop, shopSession } from "../server/shop-session.ts";
import { shopActivity } from "../server/shop.ts";
import { type FakeBroadcast, fakeBroadcast } from "./fake-broadcast.ts";
import { firstCursor } from "./shop-feed.ts";

const schema = buildSluiceSchema([shopActivity]);
const ignoring: Member = { next: () => {}, done: () => {}, failed: () => {} };
const settled = () => new Promise((resolve) => setImmediate(resolve));

function asked(broadcast: FakeBroadcast, query: string): Asked {
  const document: DocumentNode = parse(query);
  const live = liveFeeds({ broadcast, cursorSecret: "of the test", retryMs: () => 1 });
  const newSession = () => shopSession(openShop());
  return {
    schema,
    document,
    operation: getOperationAST(document)!,
    variables: {},
    viewer: "",
    newContext: (_, level) => ({
      scope: analystScope,
      session: newSession(),
      newSession,
      live,
      now: () => 0,
      ...(level && { level }),
    }),
  };
}

test.each([
  ["a feed", () => "subscription { saleFeed { cursor } }"],
  ["a feed that resumes", (cursor: string) => `subscription { saleFeed(after: "${cursor}") { cursor } }`],
  ["an insight", () => "subscription { shopActivityUpdated { sales } }"],
])("%s that is left at any moment listens no more", async (_, query) => {
  for (let moments = 0; moments < 60; moments++) {
    const broadcast = fakeBroadcast();
    const operations = new SharedOperations({ serialise: (_context, result) => JSON.stringify(result) });
    const leave = operations.join(asked(broadcast, query(await firstCursor(broadcast))), ignoring);
    for (let i = 0; i < moments; i++) await Promise.resolve();
    leave();
    await settled();
    expect([moments, operations.size, broadcast.listeners()]).toEqual([moments, 0, 0]);
  }
});
