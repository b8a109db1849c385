/** `sluice editions PRODUCT`: what has been published, newest first. */
import { keptEditions } from "../../etl/batch/sweep.ts";
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
    const manifest = (await control.get<Manifest>(manifestKey(product!)))?.value ?? null;
    const written = await control.list<Edition>(editionKey(product!, "").pk, { descending: true });
    console.log(listing(name, manifest, written, first));
  } finally {
    closeClients(clients);
  }
}

function listing(
  name: string,
  manifest: Manifest | null,
  written: readonly { readonly value: Edition }[],
  first: number,
): string {
  if (manifest === null) return `Nothing of ${name} has been published yet. Run "sluice refresh ${name}".`;
  const kept = new Set(keptEditions(manifest, written).map(({ id }) => id));
  const published = publishedEditions(
    written.map(({ value }) => value),
    manifest.edition,
  ).filter(({ id }) => kept.has(id));
  const rows = published.slice(0, first).map((edition) => row(edition, manifest));
  const hold = manifest.hold
    ? [
        `Held since ${formatInstant(manifest.hold.since)}, when edition ${manifest.hold.edition} was taken back: refreshes publish nothing before "sluice rollback ${name} --release".`,
      ]
    : [];
  return [...table(rows), ...hold].join("\n");
}

const headings = {
  edition: "edition",
  version: "version",
  published: "published",
  until: "covered until",
  events: "events",
  items: "items written",
  scanned: "bytes scanned",
  seconds: "seconds",
  note: "",
};

type Row = Record<keyof typeof headings, string>;

function row(edition: Edition, manifest: Manifest): Row {
  const number = (value: number) => value.toLocaleString("en");
  const current = edition.id === manifest.edition ? "current" : "";
  return {
    edition: edition.id,
    version: String(edition.version),
    published: formatInstant(edition.publishedAt),
    until: formatInstant(edition.coveredUntil),
    events: number(edition.rows),
    items: number(edition.items),
    scanned: number(edition.bytesScanned),
    seconds: (edition.durationMs / 1_000).toFixed(1),
    note: [current, edition.restores === null ? "" : `restores ${edition.restores}`]
      .filter(Boolean)
      .join(", "),
  };
}

/** Columns padded to their widest cell; numbers to the right. */
function table(rows: readonly Row[]): string[] {
  const names = Object.keys(headings) as (keyof Row)[];
  const all: Row[] = [headings, ...rows];
  const width = (name: keyof Row) => Math.max(...all.map((each) => each[name].length));
  const right = new Set<keyof Row>(["version", "events", "items", "scanned", "seconds"]);
  return all.map((each) =>
    names
      .map((name) => (right.has(name) ? each[name].padStart(width(name)) : each[name].padEnd(width(name))))
      .join("  ")
      .trimEnd(),
  );
}
