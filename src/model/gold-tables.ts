/**
 * Whose the tables in the catalogue are: gold has one of its own. The other tables that come with a source cannot be
 * meant by another name: none of them ends with "_gold".
 */
import { DeclarationError } from "./errors.ts";
import { goldTableName } from "./gold.ts";
import type { Product } from "./product.ts";
import type { Source } from "./source.ts";

/** By table, in lower case as Athena has it: whatever has been declared so far. */
const ofSources = new Map<string, string>();
const ofProducts = new Map<string, string>();

/** Throws `DeclarationError` when a product declared before has its gold in the source's table. */
export function claimSourceTable({
  name,
  database,
  table,
}: Pick<Source, "name" | "database" | "table">): void {
  const wanted = `${database}.${table}`.toLowerCase();
  const product = ofProducts.get(wanted);
  if (product !== undefined) throw takenBySource(wanted, product, name);
  ofSources.set(wanted, name);
}

/** Throws `DeclarationError` when a source or another product declared before has the table of the product's gold. */
export function claimGoldTable({ name, source }: Pick<Product, "name" | "source">): void {
  const wanted = `${source.database}.${goldTableName(name)}`.toLowerCase();
  const taken = ofSources.get(wanted);
  if (taken !== undefined) throw takenBySource(wanted, name, taken);
  const twin = ofProducts.get(wanted);
  if (twin !== undefined)
    throw new DeclarationError(
      `The gold of a product has a table of its own. "${wanted}" is that of "${twin}" and of "${name}". Rename one of them.`,
    );
  ofProducts.set(wanted, name);
}

function takenBySource(table: string, product: string, source: string): DeclarationError {
  return new DeclarationError(
    `The gold of a product has a table of its own. "${table}" is that of product "${product}", and the table of source "${source}". Rename the product, or the source's table.`,
  );
}
