/** Hostile texts over WebSocket: in arguments, in filters of feeds, and as keys of live items. */
import type { Client } from "graphql-ws";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { follow, type Following, type Json, socket } from "../e2e/client.ts";
import { answered, batches, batchOf } from "./asking.ts";
import { callOf, type Schema, textSlots } from "./slots.ts";
import { carried, hostileTexts } from "./texts.ts";
import { truthOf } from "./truth.ts";
import type { World } from "./world.ts";

const timeout = 300_000; // of what takes a few seconds on an idle machine

/** Changes what live measures answer, so it comes last. */
export function hostileOverWebSocket(world: () => World, schema: () => Schema): void {
  let client: Client;

  beforeAll(() => {
    client = socket(world().url);
  });
  afterAll(() => client.dispose());

  /** The codes of the errors that it ends with, or what its first message holds. */
  function firstOf(query: string, text: string): Promise<readonly string[] | object | null> {
    return new Promise((resolve, reject) => {
      const stop = client.subscribe<Json>(
        { query, variables: { t: text } },
        {
          next: ({ data }) => (resolve(Object.values(data ?? {})[0] as object | null), stop()),
          error: (errors) =>
            Array.isArray(errors) ? resolve(errors.map(({ extensions }) => extensions.code)) : reject(errors),
          complete: () => resolve(null),
        },
      );
    });
  }

  it("a text as an argument names nothing, or is refused, and asks nobody", { timeout }, async () => {
    const slots = textSlots(schema()).filter(
      ({ type, argument }) => argument !== null && type === schema().roots.subscription,
    );
    expect(slots.map(({ id }) => id)).toContain("Subscription.letterFeed(after)");
    world().asked();
    for (const slot of slots) {
      const query = `subscription($t: ${slot.declared}) { ${callOf(schema(), slot, "t")} }`;
      for (const texts of batches(hostileTexts, 50)) {
        const firsts = await Promise.all(texts.map((text) => firstOf(query, text)));
        for (const first of firsts) expect([["BAD_USER_INPUT"], null]).toContainEqual(first);
      }
    }
    expect(world().asked()).toEqual([]);
  });

  const sent = carried.filter((_, i) => i % 9 === 0);
  const wanted = sent.filter((_, i) => i % 2 === 0);
  const letters = sent.map((text, i) => ({ sender: text, subject: sent.at(-1 - i)! }));

  function feedOf(where: string, texts: readonly string[]): Following {
    const query = `subscription($texts: [String!]!) { letterFeed(where: { ${where} }) { events { sender subject } } }`;
    return follow(client, query, { texts });
  }

  it("a feed sends the events whose texts are asked for", { timeout }, async () => {
    const marker = "where the feed begins";
    const feeds = [
      {
        feed: feedOf("sender: { in: $texts }", [...wanted, marker]),
        expected: letters.filter(({ sender }) => wanted.includes(sender)),
      },
      {
        feed: feedOf("subject: { notIn: $texts }", wanted),
        expected: letters.filter(({ subject }) => !wanted.includes(subject)),
      },
    ];
    await vi.waitFor(
      async () => {
        await world().post([{ sender: marker, subject: marker, pages: 0 }]);
        for (const { feed } of feeds) expect(feed.messages.length).toBeGreaterThan(0);
      },
      { timeout, interval: 200 },
    );
    await world().post(letters.map((letter) => ({ ...letter, pages: 1 })));
    for (const { feed, expected } of feeds) {
      const events = (): Json[] =>
        feed.messages
          .flatMap(({ data }) => data!.letterFeed.events as Json[])
          .filter(({ sender }) => sender !== marker);
      await feed.until(() => events().length >= expected.length, "the feed");
      expect(new Set(events())).toEqual(new Set(expected));
      expect(events()).toHaveLength(expected.length);
    }
  });

  it("live items are found by their hostile keys, asked for once or followed", { timeout }, async () => {
    const truth = (await truthOf(world(), "sender", "eq", sent)).map((row) => ({ letters: row.letters }));
    for (const operator of ["eq", "in"]) {
      const values = sent.map((text) => (operator === "in" ? [text] : text));
      const batch = batchOf(operator === "in" ? "[String!]!" : "String!", values, (name) => [
        `${name}: letterActivity(where: { sender: { ${operator}: $${name} } }) { letters }`,
      ]);
      const { answer, asked } = await answered(world(), batch);
      expect(Object.values(answer.data)).toEqual(truth);
      expect(asked).toEqual([]);
    }
    const query =
      "subscription($t: String!) { letterActivityUpdated(where: { sender: { eq: $t } }) { letters } }";
    for (const [n, texts] of batches(sent, 50).entries()) {
      const snapshots = await Promise.all(texts.map((text) => firstOf(query, text)));
      expect(snapshots).toEqual(truth.slice(n * 50, (n + 1) * 50));
    }
  });
}
