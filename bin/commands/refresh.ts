/** `sluice refresh`: products brought up to date, progress on the terminal or as JSON lines. */
import type { RefreshOptions, Retention } from "../../etl/batch/deps.ts";
import { dryRun, type DryRun } from "../../etl/batch/dry-run.ts";
import { progressRenderer } from "../../etl/batch/progress.ts";
import { checkOptions } from "../../etl/batch/published.ts";
import { refresh, type RefreshResult } from "../../etl/batch/run.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { formatInstant, type Instant, type Range } from "../../src/model/time.ts";
import { type Backends, backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { explained } from "../failure.ts";
import { instantOf } from "../instant-flag.ts";
import { chosenProducts, loadProducts } from "../load-products.ts";
import { untilStopped } from "../signals.ts";
import { refreshDeps } from "../system.ts";

export interface RefreshFlags {
  readonly full?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly dryRun?: boolean;
}

/** Refreshes what it can; rejects at the end when a product could not be refreshed. */
export async function runRefresh(
  environment: Environment,
  names: readonly string[],
  flags: RefreshFlags,
): Promise<void> {
  const range = rangeOf(flags);
  const stopping = new AbortController();
  const options = { full: flags.full ?? false, signal: stopping.signal, ...(range && { range }) };
  checkOptions(options);
  const products = chosenProducts(await loadProducts(environment.products), names);
  const clients = connect(environment);
  const stores = backends(clients);
  try {
    if (flags.dryRun)
      for (const product of products) console.log(foretold(product, await dryRun(product, stores, options)));
    else {
      void untilStopped().then(() => stopping.abort());
      await refreshAll(products, stores, options, environment.retention);
    }
  } finally {
    closeClients(clients);
    await stores.gold.close();
  }
}

async function refreshAll(
  products: readonly Product[],
  stores: Backends,
  options: RefreshOptions,
  retention: Retention,
): Promise<void> {
  let failures = 0;
  for (const product of products)
    await refreshAndShow(product, stores, options, retention).catch((error: unknown) => {
      if (products.length === 1 || options.signal?.aborted) throw error;
      console.error(`sluice: ${product.name}: ${explained(error)}`);
      failures++;
    });
  if (failures > 0)
    throw new SluiceError(
      "REFRESH",
      `${failures} of ${products.length} products could not be refreshed. Why stands above.`,
    );
}

/** Refreshes a product and tells what it did in one line. */
export async function refreshAndShow(
  product: Product,
  stores: Backends,
  options: RefreshOptions,
  retention: Retention,
): Promise<RefreshResult> {
  const terminal = process.stdout.isTTY;
  const progress = progressRenderer({
    write: (text) => process.stdout.write(text),
    clock: Date.now,
    terminal,
    subject: product.name,
  });
  const result = await refresh(product, refreshDeps(product, stores, { progress, retention }), options);
  console.log(terminal ? summary(product, result) : jsonLine(product, result));
  return result;
}

/** Half-open; a side that is not given is open. */
function rangeOf({ from, to }: RefreshFlags): Range | undefined {
  if (from === undefined && to === undefined) return undefined;
  const range = {
    from: from === undefined ? Date.parse("0001-01-01T00:00:00Z") : instantOf("--from", from),
    to: to === undefined ? Date.parse("9999-12-31T23:59:59.999Z") : instantOf("--to", to),
  };
  if (range.from < range.to) return range;
  throw new SluiceError("BAD_USER_INPUT", `--from lies before --to. Got ${from} and ${to}.`);
}

function summary(product: Product, result: RefreshResult): string {
  const until = `covered until ${formatInstant(result.coveredUntil)}`;
  if (result.held) return heldLine(product, result.held.since, result.held.edition);
  if (!result.published)
    return `${product.name}: nothing has changed since edition ${result.edition}, ${until}.`;
  const figures = `${result.rows.toLocaleString("en")} events, ${result.items.toLocaleString("en")} items, ${megabytes(result.bytesScanned)} scanned`;
  return `${product.name}: edition ${result.edition} published, ${until}: ${figures}, ${(result.durationMs / 1_000).toFixed(1)} s.`;
}

function heldLine({ name }: Product, since: Instant, edition: string): string {
  return `${name}: nothing was published. A rollback took edition ${edition} back at ${formatInstant(since)} and holds the product; "sluice rollback ${name} --release" lifts it.`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function jsonLine(product: Product, result: RefreshResult): string {
  const { changed, vanished, coveredUntil, held, ...figures } = result;
  const counts = {
    changed: changed.length,
    vanished: vanished.length,
    coveredUntil: formatInstant(coveredUntil),
    ...(held && { heldSince: formatInstant(held.since), tookBack: held.edition }),
  };
  return JSON.stringify({ refresh: product.name, ...figures, ...counts });
}

const shownNames = 12;

function foretold(product: Product, plan: DryRun): string {
  if (plan.changed.length + plan.vanished.length === 0 && plan.periods.length === 0)
    return `${product.name}: nothing to do, covered until ${formatInstant(plan.until)}.`;
  const lines = [
    `${product.name}: a refresh would`,
    ...(plan.held ? ["  do nothing of this while a rollback holds the product"] : []),
    `  recount ${plan.changed.length} partitions: ${shortened(plan.changed)}`,
    `  forget ${plan.vanished.length} that are gone: ${shortened(plan.vanished)}`,
    `  scan about ${megabytes(plan.bytes)} in ${plan.statements} statements`,
    ...plan.periods.map(
      ({ rollup, grain, periods }) =>
        `  assemble ${periods.length} periods of ${rollup} by ${grain}: ${shortened(periods)}`,
    ),
    `  cover until ${formatInstant(plan.until)}${product.source.stream === null ? "" : ", or further: barriers are not put on a dry run"}`,
  ];
  return lines.join("\n");
}

function shortened(names: readonly string[]): string {
  if (names.length === 0) return "none";
  if (names.length <= shownNames) return names.join(", ");
  return `${names.slice(0, shownNames).join(", ")} … ${names.at(-1)}`;
}
