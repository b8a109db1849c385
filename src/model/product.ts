/**
 * `@DataProduct`, `@Dimension`, `@Measure`, `@AdHoc` and `rollup`: what is promised, declared on the class that is also
 * the product's GraphQL type. Loading the class checks the declaration and registers the product.
 */
import { GraphQLSafeInt } from "graphql-scalars";
import { Field, Float, ObjectType } from "type-graphql";
import { checkProduct } from "./checks.ts";
import { DeclarationError, inDeclaration, suggestion } from "./errors.ts";
import type { Expectation } from "./expectation.ts";
import { type Component, componentsOf, countComponent, type Expression, typeOf } from "./expression.ts";
import { claimGoldTable } from "./gold-tables.ts";
import {
  type Class,
  type Column,
  columnFor,
  describe,
  graphqlTypes,
  type Source,
  sourceFor,
} from "./source.ts";
import { shapeOf } from "./shape.ts";
import { parseDuration, type StoredGrain, storedGrains } from "./time.ts";

export interface ProductOptions {
  readonly source: Class;
  readonly owner: string;
  /** How old a published edition may be before it is stale (ISO 8601 duration). */
  readonly freshness: string;
  readonly description: string;
  readonly rollups: readonly RollupDeclaration[];
  /** What a refresh checks before it publishes: `expect.…` of expectation.ts. */
  readonly expectations?: readonly Expectation[];
}

export interface Product {
  readonly name: string;
  /** The query field: the name with a small first letter. */
  readonly field: string;
  readonly target: Class;
  readonly source: Source;
  readonly owner: string;
  readonly freshnessMs: number;
  readonly description: string;
  /** The dimensions, as the source's columns. */
  readonly dimensions: readonly Column[];
  readonly measures: readonly Measure[];
  readonly rollups: readonly Rollup[];
  /** What is stored per bucket: the components of all precomputed measures; the first one counts events. */
  readonly components: readonly Component[];
  /** Not part of the shape: they say nothing about what stored items mean. */
  readonly expectations: readonly Expectation[];
  /** A hash of everything that decides the meaning of stored items: part of every key. */
  readonly shape: string;
  /** The measure of that name. Throws `TypeError`: names come from the model. */
  measure(name: string): Measure;
}

export interface Measure {
  readonly name: string;
  readonly expression: Expression;
  readonly type: "int" | "float";
  readonly description: string;
  readonly unit: string | null;
  readonly mergeable: boolean;
  /** Declared with @Measure and mergeable, so that every bucket's state is stored. */
  readonly precomputed: boolean;
}

export interface Rollup {
  /** The dimensions joined by "+", or "total". */
  readonly name: string;
  readonly dimensions: readonly string[];
  /** Finest first. */
  readonly grains: readonly StoredGrain[];
  readonly finest: StoredGrain;
  readonly top: Top | null;
  /** Micro-batches keep it. */
  readonly live: boolean;
}

/** The leading `n` keys of each bucket and measure, among those that agree in the dimensions `within`. */
export interface Top {
  readonly n: number;
  /** In the rollup's order. */
  readonly within: readonly string[];
}

export interface RollupDeclaration {
  readonly dimensions: readonly string[];
  readonly grains: readonly StoredGrain[];
  readonly top: Top | null;
  readonly live: boolean | null;
}

export interface RollupOptions {
  readonly grains: readonly StoredGrain[];
  readonly top?: number | { readonly n: number; readonly within?: readonly string[] };
  readonly live?: boolean;
}

/** A set of dimensions that is precomputed at the given grains; `[]` is the total. */
export function rollup(dimensions: readonly string[], options: RollupOptions): RollupDeclaration {
  const top = typeof options.top === "number" ? { n: options.top } : options.top;
  return Object.freeze({
    dimensions: Object.freeze([...dimensions]),
    grains: Object.freeze([...options.grains]),
    top:
      top === undefined ? null : Object.freeze({ n: top.n, within: Object.freeze([...(top.within ?? [])]) }),
    live: options.live ?? null,
  });
}

export interface MeasureOptions {
  /** Shown in the catalogue and in GraphiQL: name the unit. */
  readonly description: string;
  readonly unit?: string;
}

interface Declared {
  readonly dimensions: string[];
  readonly measures: (MeasureOptions & { name: string; expression: Expression; precomputed: boolean })[];
}

const declarations = new WeakMap<object, Declared>();
const registered = new Map<string, Product>();

function declaredOn(prototype: object): Declared {
  const declared = declarations.get(prototype) ?? { dimensions: [], measures: [] };
  declarations.set(prototype, declared);
  return declared;
}

/** A column of the source that a question may filter or group by. */
export function Dimension(): PropertyDecorator {
  return (prototype, key) => void declaredOn(prototype).dimensions.push(String(key));
}

/** A measure that the refresh stores. */
export function Measure(expression: Expression, options: MeasureOptions): PropertyDecorator {
  return (prototype, key) =>
    void declaredOn(prototype).measures.push({
      ...options,
      name: String(key),
      expression,
      precomputed: true,
    });
}

/** A measure that Athena computes when it is asked for. */
export function AdHoc(expression: Expression, options: MeasureOptions): PropertyDecorator {
  return (prototype, key) =>
    void declaredOn(prototype).measures.push({
      ...options,
      name: String(key),
      expression,
      precomputed: false,
    });
}

/** Declares a product. Throws `DeclarationError` with the rule, what arrived and a suggestion. */
export function DataProduct(options: ProductOptions): ClassDecorator {
  return (target) => {
    const product = productOf(target.name, target as unknown as Class, options);
    if (registered.has(product.name))
      throw new DeclarationError(`Product names are unique. "${product.name}" is declared twice.`);
    claimGoldTable(product);
    registered.set(product.name, product);
    declareType(product);
  };
}

/** Every product whose file was loaded, by name. */
export function declaredProducts(): Product[] {
  return [...registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function productOf(name: string, target: Class, options: ProductOptions): Product {
  const source = sourceFor(options.source);
  const declared = declaredOn(target.prototype as object);
  const whose = `Product "${name}"`;
  const dimensions = declared.dimensions.map((property) => columnFor(source, property, whose));
  const byName = new Map(declared.measures.map((measure) => [measure.name, measure]));
  const mergeable = (expression: Expression, path: readonly string[]): boolean => {
    if (expression.kind !== "ratio") return componentsOf(expression) !== null;
    return [expression.numerator, expression.denominator].every((part) => {
      const measure = byName.get(part);
      if (measure === undefined)
        throw new DeclarationError(
          `${whose} has no measure "${part}" for a ratio.${suggestion(part, [...byName.keys()])}`,
        );
      if (path.includes(part))
        throw new DeclarationError(
          `A ratio cannot contain itself. ${whose}: ${[...path, part].join(" -> ")}.`,
        );
      return mergeable(measure.expression, [...path, part]);
    });
  };
  const type = (column: string) => columnFor(source, column, whose).type;
  const measures = declared.measures.map((measure): Measure => {
    const merges = mergeable(measure.expression, [measure.name]);
    return Object.freeze({
      name: measure.name,
      expression: measure.expression,
      type: typeOf(measure.expression, type),
      description: measure.description,
      unit: measure.unit ?? null,
      mergeable: merges,
      precomputed: measure.precomputed && merges,
    });
  });
  const rollups = options.rollups.map((declaration) => rollupOf(declaration, source, whose));
  const components = storedComponents(measures);
  const product: Product = {
    name,
    field: name.charAt(0).toLowerCase() + name.slice(1),
    target,
    source,
    owner: options.owner,
    freshnessMs: inDeclaration(`${whose}, freshness`, () => parseDuration(options.freshness)),
    description: options.description,
    dimensions: Object.freeze(dimensions),
    measures: Object.freeze(measures),
    rollups: Object.freeze(rollups),
    components,
    expectations: Object.freeze([...(options.expectations ?? [])]),
    shape: shapeOf({ source, dimensions, components, rollups }),
    measure: (wanted) => {
      const found = measures.find((measure) => measure.name === wanted);
      if (found === undefined) throw new TypeError(`${whose} has no measure "${wanted}".`);
      return found;
    },
  };
  checkProduct(product);
  return Object.freeze(product);
}

function rollupOf(declaration: RollupDeclaration, source: Source, whose: string): Rollup {
  const unknown = declaration.grains.find((grain) => !storedGrains.includes(grain));
  if (unknown !== undefined)
    throw new DeclarationError(
      `A rollup has grains out of ${storedGrains.join(", ")}. ${whose} has one with "${unknown}": other grains are rolled up on reading.`,
    );
  const grains = storedGrains.filter((grain) => declaration.grains.includes(grain));
  return Object.freeze({
    name: declaration.dimensions.join("+") || "total",
    dimensions: declaration.dimensions,
    grains,
    finest: grains[0] ?? "DAY",
    top: topOf(declaration),
    live: declaration.live ?? source.stream !== null,
  });
}

/** `within` in the rollup's order; what is no dimension of it stays, to be refused. */
function topOf({ dimensions, top }: RollupDeclaration): Top | null {
  if (top === null) return null;
  const known = dimensions.filter((dimension) => top.within.includes(dimension));
  const unknown = top.within.filter((dimension) => !dimensions.includes(dimension));
  return Object.freeze({ n: top.n, within: Object.freeze([...known, ...unknown]) });
}

/** A ratio is stored through the components of its two sides, wherever those are declared. */
function storedComponents(measures: readonly Measure[]): readonly Component[] {
  const components = new Map([[countComponent.id, countComponent]]);
  const add = (expression: Expression): void => {
    for (const component of componentsOf(expression) ?? []) components.set(component.id, component);
    if (expression.kind !== "ratio") return;
    for (const part of [expression.numerator, expression.denominator])
      add(measures.find((measure) => measure.name === part)!.expression);
  };
  for (const measure of measures) if (measure.precomputed) add(measure.expression);
  return Object.freeze([...components.values()]);
}

/** The class becomes the GraphQL type: its dimensions and measures here, what every product has in `src/schema`. */
function declareType(product: Product): void {
  const prototype = product.target.prototype as object;
  for (const dimension of product.dimensions)
    Field(() => graphqlTypes[dimension.type], {
      nullable: true,
      description: `${(dimension.description ?? dimension.property).replace(/\.$/, "")}: set when the slice pins it or the query groups by it.`,
    })(prototype, dimension.property);
  for (const measure of product.measures)
    Field(() => (measure.type === "int" ? GraphQLSafeInt : Float), {
      nullable: true,
      ...describe(measure.description, measure.unit),
    })(prototype, measure.name);
  ObjectType(product.name, { description: product.description })(product.target);
}
