/** Where the values of one response came from: one entry per object and source, fields collected as they resolve. */
import type { Provenance, SluiceExtensions } from "../schema/context.ts";
import { formatInstant, type Instant } from "../model/time.ts";

export type Origin = Omit<Provenance, "path" | "fields" | "through"> & { readonly through: Instant };

export class ProvenanceRecord {
  readonly #entries = new Map<string, { entry: Provenance; fields: Set<string> }>();
  readonly #manifests = new Map<string, number>();

  readManifest(product: string, version: number): void {
    this.#manifests.set(product, version);
  }

  add(path: readonly string[], origin: Origin): void {
    const object = path.slice(0, -1).join(".");
    const field = path.at(-1)!;
    const id = JSON.stringify([object, origin.source, origin.edition, origin.queryId]);
    const known = this.#entries.get(id);
    const through = formatInstant(origin.through);
    if (known === undefined) {
      const entry = { path: object, fields: [], ...origin, through };
      this.#entries.set(id, { entry, fields: new Set([field]) });
      return;
    }
    known.fields.add(field);
    // list items share an entry: it tells the least of them
    const least = through < known.entry.through ? through : known.entry.through;
    known.entry = {
      ...known.entry,
      through: least,
      ...((origin.partial || known.entry.partial) && { partial: true }),
    };
  }

  extensions(): SluiceExtensions {
    return {
      manifest: Object.fromEntries(this.#manifests),
      provenance: [...this.#entries.values()].map(({ entry, fields }) => ({ ...entry, fields: [...fields] })),
    };
  }
}
