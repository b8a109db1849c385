/** `sluice live rebuild PRODUCT`: live items computed anew from the archive and the stream. */
import { progressRenderer } from "../../etl/batch/progress.ts";
import { waitFor } from "../../etl/live/effects.ts";
import { rebuildLive, type RebuildResult } from "../../etl/live/rebuild.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { formatInstant } from "../../src/model/time.ts";
import { backends } from "../backends.ts";
import { outwardBroadcast } from "../broadcast.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { instantOf } from "../instant.ts";
import { chosenProducts, loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { untilStopped } from "../signals.ts";

export interface RebuildFlags {
  readonly from: string;
  readonly dryRun?: boolean;
}

export async function runRebuild(
  environment: Environment,
  name: string,
  { from: text, dryRun = false }: RebuildFlags,
): Promise<void> {
  const from = instantOf("--from", text);
  const products = await loadProducts(environment.products);
  const product = chosenProducts(products, [name])[0]!;
  const stopping = new AbortController();
  const clients = connect(environment);
  const stores = backends(clients);
  const log = logger(environment);
  const broadcast = await outwardBroadcast(environment, log);
  try {
    void untilStopped().then(() => stopping.abort());
    const terminal = process.stdout.isTTY;
    const effects = { clock: Date.now, random: Math.random, wait: waitFor, log };
    const result = await rebuildLive({
      ...stores,
      product,
      products,
      from,
      dryRun,
      // refused below where there is none
      events: stores.streamOf(product.source)!,
      broadcast,
      effects: { ...effects, signal: stopping.signal },
      progress: progressRenderer({
        write: (line) => process.stdout.write(line),
        clock: Date.now,
        terminal,
        subject: name,
        work: "rebuild",
      }),
    });
    console.log(terminal ? summary(product, result, dryRun) : jsonLine(product, result, dryRun));
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    throw new SluiceError(
      "REFRESH",
      `The rebuild was stopped. Every item of ${name} is as it was or as it should be; run it again for the rest.`,
    );
  } finally {
    await broadcast.close();
    closeClients(clients);
    await stores.archive.close();
  }
}

function summary({ name }: Product, result: RebuildResult, dryRun: boolean): string {
  const { items, changed, emptied, advanced, shards, files, events, completeFrom } = result;
  const [count, were] = [(n: number) => n.toLocaleString("en"), dryRun ? "differ" : "changed"];
  const brought = advanced === 0 || dryRun ? "" : `, ${count(advanced)} brought up to the stream's end`;
  const lines = [
    `${name}: ${count(events)} events of ${shards} shards (${count(files)} archive files and the stream), ${count(items)} items: ${count(changed)} ${were}, ${count(emptied)} ${dryRun ? "hold what no event is behind" : "emptied"}${brought}, ${count(items - changed - emptied - (dryRun ? 0 : advanced))} as they should be.`,
  ];
  if (completeFrom !== null)
    lines.push(`Its live items see every event since ${formatInstant(completeFrom)} now.`);
  return lines.join("\n");
}

function jsonLine({ name }: Product, result: RebuildResult, dryRun: boolean): string {
  const { items, changed, emptied, advanced, completeFrom, ...figures } = result;
  return JSON.stringify({
    rebuild: name,
    dryRun,
    items,
    changed,
    emptied,
    advanced,
    unchanged: items - changed - emptied - advanced,
    ...figures,
    ...(completeFrom !== null && { completeFrom: formatInstant(completeFrom) }),
  });
}
