/** Names that the schema derives: of fields and types, each of them once. */
import { DeclarationError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import type { Source } from "../model/source.ts";
import { growingMeasures, growthName } from "./growth.ts";

const ownTypes =
  "Query Subscription Mutation String Int Float Boolean ID DateTime Duration SafeInt Cursor Grain Period TimeRange StringFilter IntFilter FloatFilter BooleanFilter DateTimeFilter DataProduct Coverage Dimension Measure Rollup Freshness Edition AdHocJob AdHocState PageInfo Direction".split(
    " ",
  );

/** `flight`: what the fields of a type are named after. */
export function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** `DELAY_MINUTES` for `delayMinutes`. */
export function enumValue(property: string): string {
  return property.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "_").toUpperCase();
}

/** `flightActivityBy`. */
export const groupsField = ({ field }: Product): string => `${field}By`;

/** `flightFeed`. */
export const feedField = (source: Source): string => `${lowerFirst(source.name)}Feed`;

/** The sources that have a stream, each once. */
export function streamedSources(products: readonly Product[]): readonly Source[] {
  return [...new Set(products.map((product) => product.source))].filter((source) => source.stream !== null);
}

/** Throws `DeclarationError` when two declarations lead to one name in the schema. */
export function checkNames(products: readonly Product[]): void {
  const taken = new Map(ownTypes.map((name) => [name, "Sluice's own"]));
  const claim = (name: string, owner: string) => {
    const other = taken.get(name);
    if (other !== undefined)
      throw new DeclarationError(
        `A name in the schema means one thing. "${name}" would be ${owner}'s and ${other}. Rename the class.`,
      );
    taken.set(name, `${owner}'s`);
  };
  claim("products", "the catalogue");
  claim("product", "the catalogue");
  for (const own of ["adHocJob", "cancelAdHocJob", "adHocJobUpdated"]) claim(own, "the ad-hoc fallback");
  for (const product of products)
    for (const derived of namesOf(product)) claim(derived, `product "${product.name}"`);
  for (const source of streamedSources(products))
    for (const derived of [source.name, `${source.name}Filter`, `${source.name}FeedPage`, feedField(source)])
      claim(derived, `source "${source.name}"`);
}

function namesOf(product: Product): string[] {
  const { name, field, dimensions, measures } = product;
  const growth = growingMeasures(product).length > 0 ? [growthName(product)] : [];
  const plain = [name, `${name}Filter`, field, `${field}Updated`, ...growth];
  if (dimensions.length === 0) return plain;
  checkEnum(
    `${name}Dimension`,
    dimensions.map(({ property }) => property),
  );
  checkEnum(
    `${name}Measure`,
    measures.map((measure) => measure.name),
  );
  const types = ["Connection", "Edge", "Order", "Dimension", "Measure"].map((kind) => name + kind);
  return [...plain, groupsField(product), ...types];
}

function checkEnum(name: string, properties: readonly string[]): void {
  const taken = new Map<string, string>();
  for (const property of properties) {
    const value = enumValue(property);
    const other = taken.get(value);
    if (other !== undefined)
      throw new DeclarationError(
        `A value of an enum means one thing. "${value}" of ${name} would be "${other}" and "${property}". Rename one of them.`,
      );
    taken.set(value, property);
  }
}
