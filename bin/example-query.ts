/** A first query for a product, made from its declaration: what `npm start` prints and GraphiQL shows. */
import type { Product } from "../src/model/product.ts";

export function exampleQuery(products: readonly Product[]): string {
  const product = products.find(({ source }) => source.stream !== null) ?? products[0]!;
  const stored = product.measures.filter(({ precomputed }) => precomputed).slice(0, 3);
  const adHoc = product.measures.find(({ precomputed }) => !precomputed);
  const fields = [...stored.map(({ name }) => name), "from", "to", "complete"].join(" ");
  return `{
  ${product.field} { ${fields} }
  lastDay: ${product.field}(range: { last: "P1D" }) {
    ${[...stored, ...(adHoc ? [adHoc] : [])].map(({ name }) => name).join(" ")}
  }
}
`;
}
