/** `sluice editions PRODUCT`: what has been published, newest first. */
import {
  editionKey,
  type Edition,
  type Manifest,
  manifestKey,
  publishedEditions,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { formatInstant } from "../../src/model/time.ts";
import { backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { chosenProducts, loadProducts } from "../load-products.ts";

export async function listEditions(
  environment: Environment,
  name: string,
  options: { first: string },
): Promise<void> {
  const first = Number(options.first);
  if (!Number.isInteger(first) || first < 1)
    throw new SluiceError("BAD_USER_INPUT", `--first is a positive whole number. Got "${options.first}".`);
  const [product] = chosenProducts(await loadProducts(environment.products), [name]);
  const clients = connect(environment);
  try {
    const { control } = backends(clients);
    const manifest = await control.get<Manifest>(manifestKey(product!));
    const written = await control.list<Edition>(editionKey(product!, "").pk, { descending: true });
    const editions = publishedEditions(
      written.map(({ value }) => value),
      manifest?.value.edition ?? "",
    );
    console.table(
      editions.slice(0, first).map((value) => ({
        edition: value.id,
        current: value.id === manifest?.value.edition,
        published: formatInstant(value.publishedAt),
        "covered until": formatInstant(value.coveredUntil),
        events: value.rows,
        items: value.items,
        "bytes scanned": value.bytesScanned,
        seconds: value.durationMs / 1_000,
      })),
    );
  } finally {
    closeClients(clients);
  }
}
