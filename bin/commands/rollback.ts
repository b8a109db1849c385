/** `sluice rollback PRODUCT`: an earlier edition is published again and held, or the hold is lifted. */
import { release, rollback } from "../../etl/batch/rollback.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { formatInstant } from "../../src/model/time.ts";
import { backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { chosenProducts, loadProducts } from "../load-products.ts";
import { refreshDeps } from "../system.ts";

export async function runRollback(
  environment: Environment,
  name: string,
  options: { to?: string; release?: boolean },
): Promise<void> {
  if (options.release && options.to !== undefined)
    throw new SluiceError(
      "BAD_USER_INPUT",
      "Either an edition is published again (--to) or the hold is lifted (--release). Drop one of them.",
    );
  const [product] = chosenProducts(await loadProducts(environment.products), [name]);
  const clients = connect(environment);
  try {
    const { retention } = environment;
    const deps = refreshDeps(product!, backends(clients), { retention, progress: () => {} });
    if (options.release) {
      await release(product!, deps);
      console.log(`${name} is released: the next "sluice refresh ${name}" publishes again.`);
      return;
    }
    const { id, version, restores, rows, coveredUntil } = await rollback(product!, options, deps);
    console.log(
      `${name}: edition ${restores} is published again as ${id} (version ${version}, ${rows.toLocaleString("en")} events, covered until ${formatInstant(coveredUntil)}). No refresh publishes before "sluice rollback ${name} --release".`,
    );
  } finally {
    closeClients(clients);
  }
}
