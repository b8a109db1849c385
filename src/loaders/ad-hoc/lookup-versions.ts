/** Which versions of its lookups a statement reads. */
import type { ControlStore } from "../../backends/control-store.ts";
import { lookupKey, type LookupVersion } from "../../model/control.ts";
import { itemId } from "../../model/layout.ts";
import { type LookupTable, lookupTables } from "../../model/lookup.ts";
import type { Source } from "../../model/source.ts";
import type { Instant } from "../../model/time.ts";

export interface LookupVersionsOptions {
  readonly control: ControlStore;
  readonly clock: () => Instant;
}

/** How old an answer may be, like that of a manifest. */
const maxAgeMs = 1_000;

export class LookupVersions {
  readonly #options: LookupVersionsOptions;
  readonly #known = new Map<string, { readonly at: Instant; readonly version: Promise<string> }>();

  constructor(options: LookupVersionsOptions) {
    this.#options = options;
  }

  /**
   * Of the tables that columns (by property) are looked up in. While a version is not yet registered, nobody knows which
   * one a statement reads: that counts as a version of its own.
   */
  of(source: Source, properties: readonly string[]): Promise<string[]> {
    const used = source.lookups.filter(({ take }) =>
      take.some(({ column }) => properties.includes(column.property)),
    );
    return Promise.all(lookupTables(used).map((table) => this.#version(source, table)));
  }

  #version(source: Source, table: LookupTable): Promise<string> {
    const { control, clock } = this.#options;
    const key = lookupKey(source, table);
    const known = this.#known.get(itemId(key));
    if (known !== undefined && Math.abs(clock() - known.at) < maxAgeMs) return known.version;
    const version = control.get<LookupVersion>(key).then((found) => {
      if (found === null) return `${table.id} none`;
      const { folder, registered } = found.value;
      return `${table.id} ${folder} ${registered}`;
    });
    this.#known.set(itemId(key), { at: clock(), version });
    version.catch(() => this.#known.delete(itemId(key)));
    return version;
  }
}
