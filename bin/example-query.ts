/** First queries for a product, made from its declaration: what `npm start` prints and what GraphiQL shows. */
import type { Product } from "../src/model/product.ts";
import { formatInstant, type Instant } from "../src/model/time.ts";

/** Stored measures over the coverage: answered from the edition. */
export function coverageQuery(
  product: Product,
  coverage: { readonly from: Instant; readonly until: Instant },
): string {
  const range = `{ from: "${formatInstant(coverage.from)}", to: "${formatInstant(coverage.until)}" }`;
  return `{
  ${product.field}(range: ${range}) {
    ${storedMeasures(product).join(" ")} complete
  }
}`;
}

/** The same up to now, and an ad-hoc field of the last day. */
export function exampleQuery(product: Product): string {
  const stored = storedMeasures(product);
  const adHoc = product.measures.filter(({ precomputed }) => !precomputed).slice(0, 1);
  return `{
  ${product.field} { ${stored.join(" ")} from to complete }
  lastDay: ${product.field}(range: { last: "P1D" }) {
    ${[...stored, ...adHoc.map(({ name }) => name)].join(" ")}
  }
}
`;
}

/** The product that shows most: one with a stream. */
export function exampleProduct(products: readonly Product[]): Product {
  return products.find(({ source }) => source.stream !== null) ?? products[0]!;
}

function storedMeasures({ measures }: Product): string[] {
  return measures.flatMap(({ name, precomputed }) => (precomputed ? [name] : [])).slice(0, 3);
}
