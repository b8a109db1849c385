/**
 * The executions that may be at Athena at a time, of all gateways together: holders in one document.
 *
 * Delivery guarantee: a slot is free again when its execution is over at Athena. One whose holder has died is given to
 * nobody else before its execution has been looked after.
 */
import { type SlotHolder, type SlotsDocument, slotsKey, type Tenancy } from "../../model/ad-hoc-job.ts";
import { type AdHocDeps, spread } from "./deps.ts";
import { change } from "./documents.ts";
import { FairQueue } from "./queue.ts";

interface Entry {
  readonly scope: Tenancy;
  readonly id: string;
  readonly signal: AbortSignal;
  readonly resolve: (taken: boolean) => void;
  readonly reject: (error: unknown) => void;
}

type Holders = SlotsDocument["holders"];

const firstPollMs = 50;
const longestPollMs = 500;

export class Slots {
  readonly #deps: AdHocDeps;
  readonly #lookAfter: (scope: Tenancy, id: string) => Promise<void>;
  readonly #queue = new FairQueue<Entry>();
  /** Holders that this process speaks for. */
  readonly #own = new Set<string>();
  readonly #lookedAfter = new Set<string>();
  #freed = new AbortController();
  #serving = false;
  #renewing = false;

  /** `lookAfter` is told of executions whose holder has not renewed their slot. */
  constructor(deps: AdHocDeps, lookAfter: (scope: Tenancy, id: string) => Promise<void>) {
    this.#deps = deps;
    this.#lookAfter = lookAfter;
  }

  /** Resolves to true when the execution has a slot, to false as soon as the signal is aborted. */
  take(scope: Tenancy, id: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve(false);
      signal.addEventListener("abort", () => resolve(false), { once: true });
      this.#queue.join(scope.tenant, { scope, id, signal, resolve, reject });
      void this.#serve();
    });
  }

  /** The slot of an execution that may be at Athena already: it is taken, whatever others hold. */
  async keep(scope: Tenancy, id: string): Promise<void> {
    await this.#change((holders) => ({ ...holders, [id]: this.#holder(scope) }));
    this.#holds(id);
  }

  async free(id: string): Promise<void> {
    this.leave(id);
    await this.#change((holders) => {
      if (!(id in holders)) return holders;
      const { [id]: _freed, ...others } = holders;
      return others;
    });
    this.#freed.abort();
    this.#freed = new AbortController();
  }

  /** This process no longer speaks for the holder; another one does, or will look after it. */
  leave(id: string): void {
    this.#own.delete(id);
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    for (let entry = this.#queue.next(); entry !== null; entry = this.#queue.next()) await this.#seat(entry);
    this.#serving = false;
  }

  async #seat({ scope, id, signal, resolve, reject }: Entry): Promise<void> {
    try {
      for (let pollMs = firstPollMs; !signal.aborted; pollMs = Math.min(longestPollMs, pollMs * 2)) {
        const freed = this.#freed.signal;
        if (await this.#tryToTake(scope, id)) return resolve(true);
        await this.#deps.wait(spread(pollMs, this.#deps), AbortSignal.any([signal, freed]));
      }
    } catch (error) {
      reject(error);
    }
  }

  async #tryToTake(scope: Tenancy, id: string): Promise<boolean> {
    const { concurrency } = this.#deps.limits;
    const holders = await this.#change((current) =>
      id in current || Object.keys(current).length < concurrency
        ? { ...current, [id]: this.#holder(scope) }
        : current,
    );
    if (id in holders) {
      this.#holds(id);
      return true;
    }
    for (const [other, holder] of Object.entries(holders))
      if (holder.until <= this.#deps.clock()) this.#reclaim(other, holder);
    return false;
  }

  #reclaim(id: string, { tenant }: SlotHolder): void {
    if (this.#lookedAfter.has(id)) return;
    this.#lookedAfter.add(id);
    // what fails is tried again: the slot stays as it is
    this.#lookAfter({ tenant }, id)
      .catch(() => {})
      .finally(() => this.#lookedAfter.delete(id));
  }

  #holds(id: string): void {
    this.#own.add(id);
    void this.#renew();
  }

  async #renew(): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    while (this.#own.size > 0) {
      await this.#deps.wait(this.#deps.limits.leaseMs / 3);
      // a slot that could not be renewed this time is the next time
      await this.#change((holders) => this.#renewed(holders)).catch(() => {});
    }
    this.#renewing = false;
  }

  #renewed(holders: Holders): Holders {
    const own = Object.entries(holders).filter(([id]) => this.#own.has(id));
    if (own.length === 0) return holders;
    return {
      ...holders,
      ...Object.fromEntries(own.map(([id, { tenant }]) => [id, this.#holder({ tenant })])),
    };
  }

  /** Longer than the lease of an owner: whoever wants the execution takes it over with its slot. */
  #holder({ tenant }: Tenancy): SlotHolder {
    return { tenant, until: this.#deps.clock() + 2 * this.#deps.limits.leaseMs };
  }

  async #change(edit: (holders: Holders) => Holders): Promise<Holders> {
    const changed = await change<SlotsDocument>(this.#deps, slotsKey, (current) => {
      const before = current?.holders ?? {};
      const holders = edit(before);
      return holders === before ? current : { holders };
    });
    return changed?.value.holders ?? {};
  }
}
