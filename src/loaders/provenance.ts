/** Where the values of one response came from: one entry per object and source, fields collected as they resolve. */
import type { Provenance, SluiceExtensions } from "../schema/context.ts";
import { formatInstant, type Instant } from "../model/time.ts";

export type Origin = Omit<Provenance, "path" | "fields" | "through"> & { readonly through: Instant };

export class ProvenanceRecord {
  readonly #entries = new Map<string, { entry: Provenance; isShort: boolean; fields: Set<string> }>();
  readonly #manifests = new Map<string, number>();

  readManifest(product: string, version: number): void {
    this.#manifests.set(product, version);
  }

  /** `to` is where the range of the value ends: it may count less than that. */
  add(path: readonly string[], origin: Origin, to: Instant = origin.through): void {
    const object = path.slice(0, -1).join(".");
    const field = path.at(-1)!;
    const id = JSON.stringify([object, origin.source, origin.edition, origin.queryId]);
    const known = this.#entries.get(id);
    const through = formatInstant(origin.through);
    const isShort = origin.through < to;
    if (known === undefined) {
      const entry = { path: object, fields: [], ...origin, through };
      this.#entries.set(id, { entry, isShort, fields: new Set([field]) });
      return;
    }
    known.fields.add(field);
    known.entry = {
      ...known.entry,
      through: throughBoth(known, { entry: { through }, isShort }),
      ...((origin.partial || known.entry.partial) && { partial: true }),
    };
    known.isShort ||= isShort;
  }

  extensions(): SluiceExtensions {
    return {
      manifest: Object.fromEntries(this.#manifests),
      provenance: [...this.#entries.values()].map(({ entry, fields }) => ({ ...entry, fields: [...fields] })),
    };
  }
}

interface Told {
  readonly entry: Pick<Provenance, "through">;
  readonly isShort: boolean;
}

/** List items share an entry: it tells where those end that count less than their ranges hold, or where the last range does. */
function throughBoth(a: Told, b: Told): string {
  if (a.isShort !== b.isShort) return (a.isShort ? a : b).entry.through;
  const [first, last] = [a.entry.through, b.entry.through].sort() as [string, string];
  return a.isShort ? first : last;
}
