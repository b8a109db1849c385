/** The truth about a product: its coverage, freshness, editions, SQL and the values of its dimensions. */
import { type Edition, editionKey, publishedEditions } from "../model/control.ts";
import { UserInputError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import { aggregatesOf, type Expression } from "../model/expression.ts";
import { compareValues } from "../model/values.ts";
import type { Scope } from "../model/scope.ts";
import type { CatalogueEntry } from "../schema/context.ts";
import { aggregateSql } from "../sql/aggregates.ts";
import { dimensionValuesStatement } from "../sql/dimension-values.ts";
import type { AdHocWait } from "./ad-hoc/jobs.ts";
import type { Shared } from "./session.ts";

/** The newest editions looked through. */
const maxEditions = 1_000;

/** `storedValues` resolves to all values of a dimension as text, or to null where Athena has to say. */
export async function catalogueEntry(
  shared: Shared,
  product: Product,
  storedValues: (dimension: string) => Promise<readonly string[] | null>,
  scope: Scope,
  wait: AdHocWait,
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
    dimensionValues: async (dimension, search, first) => {
      if (manifest === null) return [];
      const column = product.dimensions.find(({ property }) => property === dimension);
      if (column === undefined)
        throw new UserInputError(`Product "${product.name}" has no dimension "${dimension}".`);
      const stored = await storedValues(dimension);
      if (stored !== null) return foundIn(stored, search ?? "").slice(0, first);
      const { source } = product;
      const { sql, parameters, isSearched } = dimensionValuesStatement(
        source,
        column,
        manifest.coverage,
        search,
        first,
      );
      const rows = await shared.adHoc.rows(
        scope,
        {
          source,
          sql,
          parameters,
          properties: [dimension],
          range: { from: manifest.coverage.from, to: manifest.coverage.until },
          partitions: (range) => shared.manifests.partitions(product, manifest, range),
        },
        wait,
      );
      const values = rows.map(([value]) => (column.type === "float" ? String(Number(value)) : (value ?? "")));
      return isSearched || !search ? values : foundIn(values, search).slice(0, first);
    },
    measureSql: (measure) => expressionSql(product, product.measure(measure).expression),
  };
}

/** As the statement for Athena finds them: the values that contain a text, case aside, in code-point order. */
function foundIn(values: readonly string[], search: string): string[] {
  const wanted = lower(search);
  return values.filter((value) => lower(value).includes(wanted)).sort(compareValues);
}

/** By code point, one for one, as Trino does it. */
function lower(text: string): string {
  return Array.from(text, (each) => {
    const small = each.toLowerCase();
    return Array.from(small).length === 1 ? small : each;
  }).join("");
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
