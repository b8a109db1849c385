/** Where a field stands in the response. */
import type { GraphQLResolveInfo } from "graphql";

type Path = GraphQLResolveInfo["path"];

/** The response keys from the root to the field, list indices left out. */
export function responsePath(path: Path): readonly string[] {
  const keys: string[] = [];
  for (let step: Path | undefined = path; step !== undefined; step = step.prev)
    if (typeof step.key === "string") keys.unshift(step.key);
  return keys;
}
