/** The scalars that GraphQL lacks. DateTime and SafeInt are those of graphql-scalars: the model's columns use them. */
import { GraphQLScalarType } from "graphql";
import { UserInputError } from "../model/errors.ts";
import { formatDuration, parseDuration } from "../model/time.ts";

/** Milliseconds inside, ISO 8601 outside. */
export const GraphQLDuration = new GraphQLScalarType<number, string>({
  name: "Duration",
  description:
    'A length of time, ISO 8601, in weeks, days, hours, minutes and seconds: "PT1H", "P7D". Months and years are not durations: they differ in length.',
  serialize: (value) => formatDuration(value as number),
  parseValue: (value) => parseDuration(text("Duration", value)),
});

/** Opaque text; who signed it checks it. */
export const GraphQLCursor = new GraphQLScalarType<string, string>({
  name: "Cursor",
  description:
    "A position in a feed, opaque and signed. Send it back unchanged as `after` to go on where the page that carried it ended.",
  serialize: (value) => value as string,
  parseValue: (value) => text("Cursor", value),
});

function text(scalar: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new UserInputError(`A ${scalar} is a string. Got ${JSON.stringify(value)}.`);
}
