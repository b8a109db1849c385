/** The table over a product's gold: what BI tools query. */
import { componentType, goldColumns, goldTableName } from "../model/gold.ts";
import type { Product } from "../model/product.ts";
import { createPartitionedTableSql, type PartitionedTable } from "./catalogue.ts";

/** Beside the source's table, partitioned as that is. */
export function goldTable({ name, source }: Product): PartitionedTable {
  return { database: source.database, table: goldTableName(name), partition: source.partition };
}

export function createGoldTableSql(product: Product, location: string): string {
  const { rollup, bucket, dimensions, components } = goldColumns(product);
  const columns = [
    { name: rollup, type: "string" },
    { name: bucket, type: "datetime" },
    ...product.dimensions.map(({ type }, i) => ({ name: dimensions[i]!, type })),
    ...product.components.map((component, i) => ({
      name: components[i]!,
      type: componentType(product.source, component),
    })),
  ] as const;
  return createPartitionedTableSql(goldTable(product), columns, location);
}
