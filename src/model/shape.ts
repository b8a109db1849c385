/** A product's shape: a hash of everything that decides the meaning of stored items, and part of their keys. */
import { createHash } from "node:crypto";
import { goldColumns } from "./gold.ts";
import { lookupText } from "./lookup.ts";
import type { Product } from "./product.ts";
import type { Column } from "./source.ts";

export function shapeOf(product: Pick<Product, "source" | "dimensions" | "components" | "rollups">): string {
  const { source, dimensions, components, rollups } = product;
  const gold = goldColumns(product);
  const isCarried = ({ property }: Column) => rollups.some((each) => each.dimensions.includes(property));
  const meaning = {
    format: 2, // of the documents and items themselves
    table: `${source.database}.${source.table}`,
    time: source.time.name,
    columns: source.columns.map((column) => [column.property, column.name, column.type]),
    components: components.map((component) => component.id),
    rollups: rollups.map((each) => [each.name, each.grains, each.live, each.top]),
    // another dimension may take a name that gold has given to a component
    gold: [...gold.components, ...gold.dimensions.filter((_, i) => isCarried(dimensions[i]!))],
    lookups: source.columns.flatMap((column) => lookupText(source.lookups, column) ?? []),
  };
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 8);
}
