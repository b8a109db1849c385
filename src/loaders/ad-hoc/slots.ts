/**
 * The executions that may be at Athena at a time, of all gateways together: holders in one document.
 *
 * Delivery guarantee: a slot is free again when its execution is over at Athena. One whose holder has died is given to
 * nobody else before its execution has been looked after. A process that waits gets one in its turn, however much others
 * have to do.
 */
import {
  type SlotHolder,
  type SlotsDocument,
  type SlotWaiter,
  slotsKey,
  type Tenancy,
} from "../../model/ad-hoc-job.ts";
import { type AdHocDeps, spread } from "./deps.ts";
import { SharedDocument } from "./documents.ts";
import { FairQueue } from "./queue.ts";

interface Entry {
  readonly scope: Tenancy;
  readonly id: string;
  readonly signal: AbortSignal;
  readonly resolve: (taken: boolean) => void;
  readonly reject: (error: unknown) => void;
}

const none: SlotsDocument = { holders: {}, waiting: {} };

const firstPollMs = 50;
const longestPollMs = 500;
/** A process that has waited for so long goes before those that have not. */
const patienceMs = 1_000;
/** What a process says of its waiting counts for so long. */
const waitingMs = 5_000;

export class Slots {
  readonly #deps: AdHocDeps;
  readonly #process: string;
  readonly #lookAfter: (scope: Tenancy, id: string) => Promise<void>;
  readonly #document: SharedDocument<SlotsDocument>;
  readonly #queue = new FairQueue<Entry>();
  /** Holders that this process speaks for. */
  readonly #own = new Set<string>();
  readonly #lookedAfter = new Set<string>();
  #freed = new AbortController();
  #serving = false;
  #renewing = false;

  /** `lookAfter` is told of executions whose holder has not renewed their slot. */
  constructor(deps: AdHocDeps, process: string, lookAfter: (scope: Tenancy, id: string) => Promise<void>) {
    this.#deps = deps;
    this.#process = process;
    this.#lookAfter = lookAfter;
    this.#document = new SharedDocument(deps, slotsKey);
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
    await this.#change(({ holders, waiting }) => ({
      holders: { ...holders, [id]: this.#holder(scope) },
      waiting,
    }));
    this.#holds(id);
  }

  async free(id: string): Promise<void> {
    this.leave(id);
    await this.#change((slots) => {
      if (!(id in slots.holders)) return slots;
      const { [id]: _freed, ...holders } = slots.holders;
      return { ...slots, holders };
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
    for (let entry = this.#nextWaiting(); entry !== null; ) {
      const left = !(await this.#seat(entry));
      entry = this.#nextWaiting();
      if (!left || entry !== null) continue;
      // nobody here waits any more: what is written of it counts for a while only
      await this.#leaveLine().catch(() => {});
      entry = this.#nextWaiting();
    }
    this.#serving = false;
  }

  #nextWaiting(): Entry | null {
    let entry = this.#queue.next();
    while (entry?.signal.aborted) entry = this.#queue.next();
    return entry;
  }

  /** Resolves to false when it has left before. */
  async #seat({ scope, id, signal, resolve, reject }: Entry): Promise<boolean> {
    try {
      for (let pollMs = firstPollMs; !signal.aborted; pollMs = Math.min(longestPollMs, pollMs * 2)) {
        const freed = this.#freed.signal;
        if (await this.#tryToTake(scope, id)) {
          resolve(true);
          return true;
        }
        await this.#deps.wait(spread(pollMs, this.#deps), AbortSignal.any([signal, freed]));
      }
    } catch (error) {
      reject(error);
    }
    return false;
  }

  async #tryToTake(scope: Tenancy, id: string): Promise<boolean> {
    const { holders } = await this.#change((slots) => this.#taken(slots, scope, id));
    if (id in holders) {
      this.#holds(id);
      return true;
    }
    for (const [other, holder] of Object.entries(holders))
      if (holder.until <= this.#deps.clock()) this.#reclaim(other, holder);
    return false;
  }

  /** With a slot for the execution where there is room and no other process's turn; else with this process in line. */
  #taken(slots: SlotsDocument, scope: Tenancy, id: string): SlotsDocument {
    const { clock, limits } = this.#deps;
    const now = clock();
    const { [this.#process]: own, ...others } = living(slots.waiting, now);
    const hasRoom = id in slots.holders || Object.keys(slots.holders).length < limits.concurrency;
    const isTurnOf = ({ since }: SlotWaiter) => since + patienceMs <= now && since < (own?.since ?? now);
    if (hasRoom && !Object.values(others).some(isTurnOf))
      return { holders: { ...slots.holders, [id]: this.#holder(scope) }, waiting: others };
    if (own !== undefined && own.until > now + waitingMs / 2) return slots;
    const waiter = { since: own?.since ?? now, until: now + waitingMs };
    return { ...slots, waiting: { ...others, [this.#process]: waiter } };
  }

  async #leaveLine(): Promise<void> {
    await this.#change((slots) => {
      if (!(this.#process in slots.waiting)) return slots;
      const { [this.#process]: _own, ...waiting } = slots.waiting;
      return { ...slots, waiting };
    });
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
      await this.#change((slots) => this.#renewed(slots)).catch(() => {});
    }
    this.#renewing = false;
  }

  #renewed(slots: SlotsDocument): SlotsDocument {
    const soon = this.#deps.clock() + (5 / 3) * this.#deps.limits.leaseMs;
    const due = Object.entries(slots.holders).filter(([id, { until }]) => this.#own.has(id) && until <= soon);
    if (due.length === 0) return slots;
    const renewed = due.map(([id, { tenant }]) => [id, this.#holder({ tenant })] as const);
    return { ...slots, holders: { ...slots.holders, ...Object.fromEntries(renewed) } };
  }

  /** Longer than the lease of an owner: whoever wants the execution takes it over with its slot. */
  #holder({ tenant }: Tenancy): SlotHolder {
    return { tenant, until: this.#deps.clock() + 2 * this.#deps.limits.leaseMs };
  }

  async #change(edit: (slots: SlotsDocument) => SlotsDocument): Promise<SlotsDocument> {
    const changed = await this.#document.change((current) => {
      const slots = edit(current ?? none);
      return slots === none ? null : slots;
    });
    return changed?.value ?? none;
  }
}

/** Without processes that have not said for a while that they wait: they have died. */
function living(waiting: SlotsDocument["waiting"], now: number): SlotsDocument["waiting"] {
  return Object.fromEntries(Object.entries(waiting).filter(([, { until }]) => until > now));
}
