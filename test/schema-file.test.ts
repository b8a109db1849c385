/** The committed schema is the contract that reviewers read: it must be what the declarations say. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { loadProducts } from "../bin/load-products.ts";
import { buildSluiceSchema } from "../src/resolvers/schema.ts";
import { printSluiceSchema } from "../src/schema/build.ts";

it("schema.graphql is what `npm run schema` writes", async () => {
  const products = await loadProducts(new URL("../products", import.meta.url).pathname);
  const committed = readFileSync(new URL("../schema.graphql", import.meta.url), "utf8");
  expect(printSluiceSchema(buildSluiceSchema(products))).toBe(committed);
});
