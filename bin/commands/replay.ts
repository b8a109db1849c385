/** `sluice replay`: the held-back sample rows into the streams of the cloud that the environment names. */
import { SluiceError, suggestion } from "../../src/model/errors.ts";
import type { Source } from "../../src/model/source.ts";
import { backends } from "../backends.ts";
import { closeClients, connect, provision } from "../clients.ts";
import { type Environment, replaySpeedOf } from "../environment.ts";
import { loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { replayProgress } from "../replay-progress.ts";
import { untilStopped } from "../signals.ts";
import { replayedSources, runReplays } from "../system.ts";

export async function runReplay(
  environment: Environment,
  names: readonly string[],
  { speed: text }: { readonly speed?: string },
): Promise<void> {
  const speed = text === undefined ? environment.replaySpeed : replaySpeedOf("--speed", text);
  const products = await loadProducts(environment.products);
  const sources = chosenSources(replayedSources(products), names);
  const stopping = new AbortController();
  const clients = connect(environment);
  try {
    void untilStopped().then(() => stopping.abort());
    // an account's streams are deployed with it
    if (environment.cloud === "local") await provision(clients, products);
    const { signal } = stopping;
    const progress = replayProgress({
      write: (line) => process.stdout.write(line),
      clock: Date.now,
      terminal: process.stdout.isTTY,
    });
    await runReplays(products, backends(clients), {
      sources,
      speed,
      log: logger(environment),
      signal,
      progress,
    });
    if (signal.aborted) console.log(`Stopped. "sluice replay" goes on where this has ended.`);
  } finally {
    closeClients(clients);
  }
}

/** The sources of the given names; all of them for no names. */
function chosenSources(replayed: readonly Source[], names: readonly string[]): readonly Source[] {
  const known = replayed.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new SluiceError(
      "BAD_USER_INPUT",
      `A replay is of a source whose sample data holds rows back. "${unknown}" is none${known.length === 0 ? "" : `; there is ${known.join(", ")}`}.${suggestion(unknown, known)}`,
    );
  return names.length === 0 ? replayed : replayed.filter(({ name }) => names.includes(name));
}
