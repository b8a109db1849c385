/** Who is next in this process: tenants take turns, each one's entries come in their own order. */
export class FairQueue<T> {
  /** The tenant whose turn is next stands first. */
  readonly #lines = new Map<string, T[]>();

  join(tenant: string, entry: T): void {
    const line = this.#lines.get(tenant);
    if (line === undefined) this.#lines.set(tenant, [entry]);
    else line.push(entry);
  }

  /** Takes the next entry out; its tenant is last from then on. Null when nobody waits. */
  next(): T | null {
    const [first] = this.#lines;
    if (first === undefined) return null;
    const [tenant, line] = first;
    const entry = line.shift()!;
    this.#lines.delete(tenant);
    if (line.length > 0) this.#lines.set(tenant, line);
    return entry;
  }
}
