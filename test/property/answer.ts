/** One answer, taken apart into the insights in it: each with the range that it is to have and the path that provenance tells. */
import { buckets, earlier } from "./calendar.ts";
import type { Values } from "./oracle.ts";
import type { Question } from "./question.ts";
import type { Range } from "./sources.ts";
import type { Truth } from "./truth.ts";

// answers are held against expectations, not against types
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Seen {
  /** Response keys below the question's, without list indices: "", "series", "nodes.previous". */
  readonly path: string;
  readonly given: Json;
  readonly range: Range;
  /** The dimensions that a node stands for. */
  readonly group: Values;
  /** The same a period before, where the question compares. */
  readonly before?: Seen;
}

/** Every insight of the answer but those before others. Throws where there are not as many as there must be. */
export async function insightsOf(
  truth: Truth,
  question: Question,
  given: Json,
  range: Range,
): Promise<Seen[]> {
  const { by, series, previous } = question;
  const roots: Seen[] =
    by === null
      ? [{ path: "", given, range, group: {} }]
      : (given.nodes as Json[]).map((node) => ({
          path: "nodes",
          given: node,
          range,
          group: groupOf(by, node),
        }));
  if (series === null) return previous === null ? roots : compared(truth, question, roots);
  const parts = await buckets(truth, range, series);
  const inSeries = roots.flatMap((root) => {
    const items = root.given.series as Json[];
    if (items.length !== parts.length)
      throw new Error(`the series has ${items.length} buckets instead of ${parts.length}`);
    return parts.map((part, i) => ({
      ...root,
      path: join(root.path, "series"),
      given: items[i],
      range: part,
    }));
  });
  return [...roots, ...(previous === null ? inSeries : await compared(truth, question, inSeries))];
}

function groupOf({ dimensions }: NonNullable<Question["by"]>, node: Json): Values {
  return Object.fromEntries(dimensions.map((each) => [each, node[each] ?? null]));
}

async function compared(truth: Truth, { previous }: Question, insights: readonly Seen[]): Promise<Seen[]> {
  const ranges = await earlier(
    truth,
    insights.map(({ range }) => range),
    previous!,
  );
  return insights.map((seen, i) => {
    const before = {
      ...seen,
      path: join(seen.path, "previous"),
      given: seen.given.previous,
      range: ranges[i]!,
    };
    return { ...seen, before };
  });
}

export const join = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(".");
