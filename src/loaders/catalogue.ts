/** The truth about a product: its coverage, freshness, editions, SQL and the values of its dimensions. */
import { type Edition, editionKey, publishedEditions } from "../model/control.ts";
import type { Product } from "../model/product.ts";
import { aggregatesOf, type Expression } from "../model/expression.ts";
import type { CatalogueEntry } from "../schema/context.ts";
import { aggregateSql } from "../sql/aggregates.ts";
import type { Shared } from "./session.ts";

/** The newest editions looked through. */
const maxEditions = 1_000;

/** `valuesOf` a dimension of the product, once something is published. */
export async function catalogueEntry(
  shared: Shared,
  product: Product,
  valuesOf: CatalogueEntry["dimensionValues"],
): Promise<CatalogueEntry> {
  const [manifest, live] = await Promise.all([
    shared.manifests.current(product),
    shared.liveStatus.view(product),
  ]);
  const coverage = manifest && {
    from: manifest.coverage.from,
    to: manifest.coverage.until,
    liveTo: live && Math.max(live.live.to, manifest.coverage.until),
  };
  return {
    coverage,
    publishedAt: manifest?.publishedAt ?? null,
    editions: async (first) => {
      if (manifest === null) return [];
      const written = await shared.control.list<Edition>(editionKey(product, "").pk, {
        descending: true,
        first: maxEditions,
      });
      const published = publishedEditions(
        written.map(({ value }) => value),
        manifest.edition,
      );
      return published
        .slice(0, first)
        .map((edition) => ({ ...edition, current: edition.id === manifest.edition }));
    },
    dimensionValues: async (dimension, search, first) =>
      manifest === null ? [] : valuesOf(dimension, search, first),
    measureSql: (measure) => expressionSql(product, product.measure(measure).expression),
  };
}

/** What a person would write for the measure in Athena. */
function expressionSql(product: Product, expression: Expression): string {
  if (expression.kind === "ratio") {
    const [numerator, denominator] = [expression.numerator, expression.denominator].map((side) =>
      expressionSql(product, product.measure(side).expression),
    );
    return `CAST(${numerator} AS double) / nullif(${denominator}, 0)`;
  }
  const parts = aggregatesOf(expression).map((aggregate) => aggregateSql(product.source, aggregate));
  return expression.kind === "avg" ? `CAST(${parts[0]} AS double) / nullif(${parts[1]}, 0)` : parts[0]!;
}
