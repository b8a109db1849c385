/** The types of a source's feed: the event with its position as `id`, and the page. */
import { ID, ObjectType } from "type-graphql";
import { DeclarationError } from "../model/errors.ts";
import type { Class, Source } from "../model/source.ts";
import type { FeedPage } from "./context.ts";
import { field, newResolver } from "./derive.ts";
import { GraphQLCursor } from "./scalars.ts";

/** What resolves the types of a source's feed. */
export interface FeedTypes {
  /** `FlightFeedPage`; its roots are `FeedPage`s. */
  readonly page: Class;
  readonly resolvers: readonly Class[];
}

const declared = new WeakMap<Source, FeedTypes>();

/** Declared once per source, however many schemas serve it. Throws `DeclarationError` for a column `id`. */
export function feedTypes(source: Source): FeedTypes {
  const types = declared.get(source) ?? declare(source);
  declared.set(source, types);
  return types;
}

function declare(source: Source): FeedTypes {
  if (source.columns.some((column) => column.property === "id"))
    throw new DeclarationError(
      `Every event has a field "id" of its own: its position in the stream. Source "${source.name}" has a column "id". Name the property otherwise: @Column({ name: "id" }) ${source.name.toLowerCase()}Id.`,
    );
  const page = class {};
  ObjectType(`${source.name}FeedPage`, {
    description: `Up to 100 events of ${source.name}, in order per shard, and where to go on.`,
  })(page);
  return { page, resolvers: [eventResolver(source), pageResolver(source, page)] };
}

function eventResolver(source: Source): Class {
  const resolver = newResolver(source.target);
  field<{ id: string }>(resolver, {
    name: "id",
    type: () => ID,
    description: "Its position in the stream: shard, sequence number, index within the record.",
    resolve: (event) => event.id,
  });
  return resolver;
}

function pageResolver(source: Source, page: Class): Class {
  const resolver = newResolver(page);
  field<FeedPage>(resolver, {
    name: "cursor",
    type: () => GraphQLCursor,
    description:
      "The position after this page. Subscribe again with it as `after` to miss nothing and see nothing twice.",
    resolve: ({ cursor }) => cursor,
  });
  field<FeedPage>(resolver, {
    name: "events",
    type: () => [source.target],
    description: "At least one event; at most 100.",
    resolve: ({ events }) => events.map(({ id, event }) => ({ ...event, id })),
  });
  return resolver;
}
