/** From arguments to a question. */
import { UserInputError } from "../model/errors.ts";
import { conditions, type Filter } from "../model/filter.ts";
import type { Product } from "../model/product.ts";
import { assertInstant, formatInstant } from "../model/time.ts";
import type { AskedRange, Question } from "../schema/context.ts";
import type { Argument, Arguments } from "../schema/derive.ts";
import { productFilter } from "../schema/filters.ts";
import { TimeRange } from "../schema/time-range.ts";

/** The arguments `where` and `range`. */
export function questionArguments(product: Product): readonly Argument[] {
  const filter = productFilter(product);
  return [
    {
      name: "where",
      type: () => filter,
      nullable: true,
      description: "Which events count. Without it: all.",
    },
    {
      name: "range",
      type: () => TimeRange,
      nullable: true,
      description: "Which event time counts, UTC. Without it: the product's coverage, live part included.",
    },
  ];
}

export function questionOf(product: Product, args: Arguments): Question {
  const range = askedRange(args.range as TimeRange | null | undefined);
  const where = filterOf(args.where);
  return range === undefined ? { product, where } : { product, where, range };
}

type Spec = Readonly<Record<string, Readonly<Record<string, unknown>> | null | undefined>>;

/** The conditions of a filter input. Throws `UserInputError` for a column that is compared with null. */
export function filterOf(where: unknown): Filter {
  const spec = (where ?? {}) as Spec;
  for (const [column, operators] of Object.entries(spec))
    if (operators === null)
      throw new UserInputError(
        `A filter has conditions. Got ${column}: null. Leave ${column} out, or use ${column}: { isNull: true }.`,
      );
  return conditions(spec as Parameters<typeof conditions>[0]);
}

/** The range as asked; absent when nothing is said. Throws `UserInputError` for one that holds no instant. */
export function askedRange(range: TimeRange | null | undefined): AskedRange | undefined {
  const from = range?.from ?? undefined;
  const to = range?.to ?? undefined;
  const last = range?.last ?? undefined;
  for (const at of [from, to]) if (at !== undefined) assertInstant(at.getTime());
  if (last !== undefined) return lastOf(last, from ?? to);
  if (from !== undefined && to !== undefined && from >= to)
    throw new UserInputError(
      `A range is half-open, [from, to), and from lies before to. Got from ${formatInstant(from.getTime())}, to ${formatInstant(to.getTime())}. ${from > to ? "Swap them." : "Move to to the first instant that no longer counts."}`,
    );
  if (from === undefined && to === undefined) return undefined;
  return {
    ...(from === undefined ? {} : { from: from.getTime() }),
    ...(to === undefined ? {} : { to: to.getTime() }),
  };
}

function lastOf(lastMs: number, edge: Date | undefined): AskedRange {
  if (edge !== undefined)
    throw new UserInputError(
      "A range is either from and to, or last. Got last together with from or to. Leave one of them out.",
    );
  if (lastMs <= 0)
    throw new UserInputError(
      'The last stretch of time is longer than nothing. Got a duration of 0. Use for example "PT1H".',
    );
  return { lastMs };
}
