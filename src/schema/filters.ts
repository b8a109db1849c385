/** The filter inputs: one per column type, one per product and one per source, each with all columns of the source. */
import { GraphQLDateTime, GraphQLSafeInt } from "graphql-scalars";
import { Float } from "type-graphql";
import { type Operator, operatorsOf } from "../model/filter.ts";
import type { Product } from "../model/product.ts";
import { type Class, columnDescription, type Source } from "../model/source.ts";
import type { ColumnType } from "../model/values.ts";
import { inputField, newInput } from "./derive.ts";

const operands = {
  string: { input: "StringFilter", type: String, of: "a text, compared exactly (case counts)" },
  int: { input: "IntFilter", type: GraphQLSafeInt, of: "a whole number" },
  float: { input: "FloatFilter", type: Float, of: "a number" },
  boolean: { input: "BooleanFilter", type: Boolean, of: "true or false" },
  datetime: { input: "DateTimeFilter", type: GraphQLDateTime, of: "an instant, UTC" },
} as const satisfies Record<ColumnType, { input: string; type: object; of: string }>;

const meanings = {
  eq: "Equal to this value.",
  in: "Equal to one of these values; none of an empty list.",
  ne: "Known and different from this value.",
  notIn: "Known and equal to none of these values.",
  gte: "At least this value.",
  lt: "Less than this value.",
  startsWith: "Begins with this text; case counts.",
  isNull: "true: unknown (null); false: known.",
} as const satisfies Record<Operator, string>;

const filterOfType = Object.fromEntries(
  (Object.keys(operands) as ColumnType[]).map((type) => [type, columnFilter(type)]),
) as Record<ColumnType, Class>;

function columnFilter(type: ColumnType): Class {
  const { input, type: operand, of } = operands[type];
  const filter = newInput(
    input,
    `Conditions on ${of}. All that are given must hold; null meets only isNull.`,
  );
  for (const operator of operatorsOf[type])
    inputField(filter, operator, {
      type: () => (operator === "isNull" ? Boolean : isList(operator) ? [operand] : operand),
      nullable: true,
      description: meanings[operator],
    });
  return filter;
}

function isList(operator: Operator): boolean {
  return operator === "in" || operator === "notIn";
}

const productFilters = new WeakMap<Product, Class>();
const sourceFilters = new WeakMap<Source, Class>();

/** `FlightActivityFilter`. */
export function productFilter(product: Product): Class {
  return cached(productFilters, product, () =>
    filterOver(product.source, product.name, `Which events ${product.name} is computed of.`),
  );
}

/** `FlightFilter`. */
export function sourceFilter(source: Source): Class {
  return cached(sourceFilters, source, () =>
    filterOver(source, source.name, `Which events of ${source.name} are sent.`),
  );
}

function cached<K extends object>(cache: WeakMap<K, Class>, key: K, make: () => Class): Class {
  const known = cache.get(key) ?? make();
  cache.set(key, known);
  return known;
}

function filterOver(source: Source, prefix: string, purpose: string): Class {
  const filter = newInput(`${prefix}Filter`, `${purpose} All conditions given must hold.`);
  for (const column of source.columns)
    inputField(filter, column.property, {
      type: () => filterOfType[column.type],
      nullable: true,
      description: columnDescription(column).description ?? column.name,
    });
  return filter;
}
