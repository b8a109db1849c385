/**
 * The values of a dimension, for search boxes: as its leaderboards and live items name them where those name all, else
 * as Athena finds them.
 */
import { countComponent } from "../model/expression.ts";
import type { Product } from "../model/product.ts";
import { type Column, columnFor } from "../model/source.ts";
import { formatInstant } from "../model/time.ts";
import { assertText, compareValues, type Value } from "../model/values.ts";
import type { RankedGroups } from "../sql/grouped-questions.ts";
import { planGroups } from "../sql/plan-groups.ts";
import { knownKeys } from "./group-keys.ts";
import { assertKnown } from "./known-columns.ts";
import { resolveRange, type Sight, type Sights } from "./sight.ts";
import type { Workings } from "./workings.ts";

/** Of a column whose text is not the warehouse's to search: so many of its values are looked through. */
const mostSearched = 10_000;

/** As text, in the order of the values; those that contain a text, case aside. */
export async function dimensionValues(
  workings: Workings,
  sights: Sights,
  product: Product,
  {
    dimension,
    search,
    first,
  }: { readonly dimension: string; readonly search: string; readonly first: number },
): Promise<readonly string[]> {
  assertText(search);
  const column = columnFor(product.source, dimension, `Product "${product.name}"`);
  const { sight, stored } = await workings.gate.explore(async () => {
    const seen = await sights.of(product);
    return { sight: seen, stored: await storedValues(workings, product, seen, dimension) };
  });
  const isSearched = stored === null && isSearchable(column);
  const asked = {
    containing: isSearched ? search : "",
    first: search === "" || isSearched ? first : mostSearched,
  };
  const values = stored ?? (await askedValues(workings, product, sight, column, asked));
  const texts = values.map((value) => textOf(value, column));
  return (isSearched ? texts : foundIn(texts, search)).slice(0, first);
}

/** Warehouses write numbers and instants in ways of their own. */
function isSearchable({ type }: Column): boolean {
  return type === "string" || type === "boolean";
}

type Known = Exclude<Value, null>;

/** Null where not all of them are known. */
async function storedValues(
  workings: Workings,
  product: Product,
  sight: Sight,
  dimension: string,
): Promise<Known[] | null> {
  const range = resolveRange(product, sight, [], [dimension], undefined);
  const plan = planGroups(sight.snapshot.serving, [], [dimension], range, sight.view);
  if (plan.kind === "unstored") return null;
  const known = await knownKeys(workings, product, sight.snapshot, plan);
  if (known.kind === "unstored" || !known.whole) return null;
  return known.keys.flatMap(([value]) => (value == null ? [] : [value])).sort(compareValues);
}

/** The first that contain the text. */
async function askedValues(
  workings: Workings,
  product: Product,
  { snapshot, view: { coverage } }: Sight,
  { property }: Column,
  { containing, first }: { readonly containing: string; readonly first: number },
): Promise<Known[]> {
  if (coverage.from >= coverage.until) return [];
  assertKnown(product, snapshot.serving, [property], `Dimension "${property}"`);
  const groups: RankedGroups = {
    kind: "ranked",
    dimensions: [property],
    order: null,
    from: 0,
    to: first,
    ...(containing !== "" && { containing }),
  };
  const where = [{ op: "isNull", column: property, value: false }] as const;
  const range = { from: coverage.from, to: coverage.until };
  const answer = await workings.adHoc.load({
    source: product.source,
    question: { where, range, by: null, groups },
    aggregates: [countComponent.aggregate],
    partitions: snapshot.partitions,
  });
  return answer.groups.groups.flatMap(({ key: [value] }) => (value == null ? [] : [value]));
}

function textOf(value: Known, { type }: Column): string {
  return type === "datetime" ? formatInstant(Number(value)) : String(value);
}

function foundIn(texts: readonly string[], search: string): string[] {
  const wanted = lower(search);
  return texts.filter((text) => lower(text).includes(wanted));
}

/** By code point, one for one, as Trino does it. */
function lower(text: string): string {
  return Array.from(text, (each) => {
    const small = each.toLowerCase();
    return Array.from(small).length === 1 ? small : each;
  }).join("");
}
