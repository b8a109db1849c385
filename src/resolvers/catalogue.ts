/** `products` and `product(name)`: what is declared and how fresh it is. */
import { Arg, Ctx, FieldResolver, Int, Resolver, Root } from "type-graphql";
import { UserInputError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import { type Class, type Column, graphqlTypes } from "../model/source.ts";
import {
  type Coverage,
  DataProduct,
  Dimension,
  Edition,
  type Freshness,
  type Measure,
  type Rollup,
} from "../schema/catalogue.ts";
import type { SluiceContext } from "../schema/context.ts";
import { newResolver, query } from "../schema/derive.ts";

/** The resolvers of the catalogue over these products. */
export function catalogueResolvers(products: readonly Product[]): readonly [Class, ...Class[]] {
  const resolver = newResolver(DataProduct);
  query(resolver, {
    name: "products",
    type: () => [DataProduct],
    description: "Every data product, by name.",
    resolve: () => products,
  });
  query(resolver, {
    name: "product",
    type: () => DataProduct,
    nullable: true,
    description: "One data product; null when there is none of that name.",
    args: [{ name: "name", type: () => String, description: "Its name, which is that of its GraphQL type." }],
    resolve: (_, { name }) => products.find((product) => product.name === name) ?? null,
  });
  return [resolver, DataProductResolver, DimensionResolver];
}

/** A dimension knows whose it is. */
interface OwnedDimension extends Dimension {
  readonly product: Product;
}

@Resolver(() => DataProduct)
class DataProductResolver {
  @FieldResolver()
  async coverage(@Root() product: Product, @Ctx() { session }: SluiceContext): Promise<Coverage> {
    const { coverage } = await session.catalogue(product);
    return coverage ?? { from: null, to: null, liveTo: null };
  }

  @FieldResolver()
  dimensions(@Root() product: Product): OwnedDimension[] {
    return product.dimensions.map((column) => ({
      product,
      name: column.property,
      description: column.description,
      type: typeName(column),
    }));
  }

  @FieldResolver()
  async measures(@Root() product: Product, @Ctx() { session }: SluiceContext): Promise<Measure[]> {
    const entry = await session.catalogue(product);
    return product.measures.map((measure) => ({ ...measure, sql: entry.measureSql(measure.name) }));
  }

  @FieldResolver()
  rollups(@Root() product: Product): Rollup[] {
    return product.rollups.map((rollup) => ({ ...rollup, top: rollup.top?.n ?? null }));
  }

  @FieldResolver()
  async freshness(@Root() product: Product, @Ctx() { session, now }: SluiceContext): Promise<Freshness> {
    const { publishedAt } = await session.catalogue(product);
    const promised = product.freshnessMs;
    if (publishedAt === null) return { promised, actual: null, asOf: null, stale: true };
    const actual = Math.max(0, now() - publishedAt);
    return { promised, actual, asOf: publishedAt, stale: actual > promised };
  }

  @FieldResolver(() => [Edition], { description: "Its refreshes, newest first." })
  async editions(
    @Root() product: Product,
    @Ctx() { session }: SluiceContext,
    @Arg("first", () => Int, {
      nullable: true,
      defaultValue: 10,
      description: "How many, 1 to 100.",
    })
    first: number | null,
  ) {
    const entry = await session.catalogue(product);
    return entry.editions(pageSize(first ?? 10));
  }
}

@Resolver(() => Dimension)
class DimensionResolver {
  @FieldResolver(() => [String], {
    description: "Its known values, as text: texts in code-point order, numbers and instants from the least.",
  })
  async values(
    @Root() dimension: OwnedDimension,
    @Ctx() { session }: SluiceContext,
    @Arg("search", () => String, {
      nullable: true,
      description: "Only values that contain this text, case aside.",
    })
    search: string | null | undefined,
    @Arg("first", () => Int, {
      nullable: true,
      defaultValue: 20,
      description: "How many, 1 to 100.",
    })
    first: number | null,
  ) {
    const entry = await session.catalogue(dimension.product);
    return entry.dimensionValues(dimension.name, search ?? null, pageSize(first ?? 20));
  }
}

function typeName(column: Column): string {
  return graphqlTypes[column.type].name;
}

const largestPage = 100;

function pageSize(first: number): number {
  if (first >= 1 && first <= largestPage) return first;
  throw new UserInputError(`A page holds 1 to ${largestPage} entries. Got first: ${first}.`);
}
