/** `flightFeed(where, after)`: every event of a source, in pages. */
import type { Class, Source } from "../model/source.ts";
import type { FeedPage } from "../schema/context.ts";
import { newResolver, subscription } from "../schema/derive.ts";
import { feedTypes } from "../schema/feed.ts";
import { sourceFilter } from "../schema/filters.ts";
import { feedField } from "../schema/names.ts";
import { GraphQLCursor } from "../schema/scalars.ts";
import { filterOf } from "./question.ts";

/** The resolvers of a source's feed and of its types. */
export function eventFeedResolvers(source: Source): readonly Class[] {
  const { page, resolvers } = feedTypes(source);
  const filter = sourceFilter(source);
  const feed = newResolver(page);
  subscription<FeedPage>(feed, {
    name: feedField(source),
    type: () => page,
    nullable: true,
    description: "Every event, in order per shard, in pages of at most 100, as micro-batches arrive.",
    args: [
      {
        name: "where",
        type: () => filter,
        nullable: true,
        description: "Which events are sent. Without it: all.",
      },
      {
        name: "after",
        type: () => GraphQLCursor,
        nullable: true,
        description:
          "The cursor of the last page seen: what came after it is sent first. Without it: from now on.",
      },
    ],
    subscribe: ({ where, after }, { live, level }) =>
      live.feed(source, filterOf(where), (after as string | null | undefined) ?? null, level),
    resolve: (payload) => payload,
  });
  return [feed, ...resolvers];
}
