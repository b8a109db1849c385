/** `sluice refresh`: products brought up to date, progress on the terminal or as JSON lines. */
import { progressRenderer } from "../../etl/batch/progress.ts";
import type { RefreshResult } from "../../etl/batch/run.ts";
import type { Product } from "../../src/model/product.ts";
import { formatInstant } from "../../src/model/time.ts";
import { type Backends, backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { chosenProducts, loadProducts } from "../load-products.ts";
import { refreshProduct } from "../system.ts";

export async function runRefresh(
  environment: Environment,
  names: readonly string[],
  options: { full?: boolean },
): Promise<void> {
  const products = chosenProducts(await loadProducts(environment.products), names);
  const clients = connect(environment);
  try {
    for (const product of products) await refreshAndShow(product, backends(clients), options);
  } finally {
    closeClients(clients);
  }
}

/** Refreshes a product and tells what it did in one line. */
export async function refreshAndShow(
  product: Product,
  stores: Backends,
  options: { full?: boolean },
): Promise<RefreshResult> {
  const terminal = process.stdout.isTTY;
  const progress = progressRenderer({
    write: (text) => process.stdout.write(text),
    clock: Date.now,
    terminal,
    subject: product.name,
  });
  const result = await refreshProduct(product, stores, { ...options, progress });
  console.log(terminal ? summary(product, result) : jsonLine(product, result));
  return result;
}

function summary(product: Product, result: RefreshResult): string {
  const until = `covered until ${formatInstant(result.coveredUntil)}`;
  if (!result.published)
    return `${product.name}: nothing has changed since edition ${result.edition}, ${until}.`;
  const figures = `${result.rows.toLocaleString("en")} events, ${result.items.toLocaleString("en")} items, ${(result.bytesScanned / 1e6).toFixed(1)} MB scanned`;
  return `${product.name}: edition ${result.edition} published, ${until}: ${figures}, ${(result.durationMs / 1_000).toFixed(1)} s.`;
}

function jsonLine(product: Product, result: RefreshResult): string {
  const { changed, vanished, coveredUntil, ...figures } = result;
  const counts = {
    changed: changed.length,
    vanished: vanished.length,
    coveredUntil: formatInstant(coveredUntil),
  };
  return JSON.stringify({ refresh: product.name, ...figures, ...counts });
}
