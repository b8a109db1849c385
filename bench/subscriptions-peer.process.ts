/** The peer: graphql-ws over `ws`, as its documentation has it. Argument: bytes of a `next` frame, as near as can be. */
import { EventEmitter, on, once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  GraphQLFloat,
  GraphQLInputObjectType,
  GraphQLList,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { serveLoads } from "./broadcasting.ts";
import { reading, sensorName } from "./readings.ts";

const frameBytes = Number(process.argv[2]);
const envelopeBytes = 285; // of a frame, besides the note
const updates = new EventEmitter().setMaxListeners(0);
const text = { type: GraphQLString };

interface Page {
  readonly cursor: string;
  readonly events: readonly { readonly sensor: string }[];
}

interface FeedArguments {
  readonly where?: { readonly sensor: { readonly eq: string } };
}

async function* feed({ where }: FeedArguments): AsyncGenerator<{ readonly readingFeed: Page }> {
  for await (const [page] of on(updates, "page") as AsyncIterable<[Page]>) {
    const events = page.events.filter(({ sensor }) => where === undefined || sensor === where.sensor.eq);
    if (events.length > 0) yield { readingFeed: { ...page, events } };
  }
}

const reads = new GraphQLObjectType({
  name: "Reading",
  fields: { id: text, at: text, sensor: text, sentAt: { type: GraphQLFloat }, note: text },
});
const pageType = new GraphQLObjectType({
  name: "Page",
  fields: { cursor: text, events: { type: new GraphQLList(reads) } },
});
const equal = new GraphQLInputObjectType({ name: "Equal", fields: { eq: text } });
const where = new GraphQLInputObjectType({ name: "Where", fields: { sensor: { type: equal } } });
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: "Query", fields: { none: text } }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: {
      readingFeed: {
        type: pageType,
        args: { where: { type: where } },
        subscribe: (_, asked) => feed(asked as FeedArguments),
      },
    },
  }),
});
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/graphql", backlog: 1_024 });
useServer({ schema }, server);
await once(server, "listening");
serveLoads(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, (update, { readings }) => {
  const events = Array.from({ length: readings }, (_, i) => ({
    ...reading(update * readings + i, Math.max(0, frameBytes - envelopeBytes)),
    sensor: sensorName(update * readings + i),
    at: "2024-01-01T00:00:00.000Z",
    id: `s-0:${update}:${i}`,
  }));
  updates.emit("page", { cursor: `c-${update}`, events } satisfies Page);
});
