/**
 * Bytes per tenant and UTC day: an execution's estimate is set aside before it starts, and replaced with the truth when it
 * is over.
 *
 * Delivery guarantee: an execution is charged once, however often it is said to be over.
 */
import { LRUCache } from "lru-cache";
import { type BudgetDocument, budgetDay, budgetKey, type Tenancy } from "../../model/ad-hoc-job.ts";
import { itemId } from "../../model/layout.ts";
import type { AdHocDeps } from "./deps.ts";
import { SharedDocument } from "./documents.ts";

interface Charged {
  /** Of the execution. */
  readonly id: string;
  readonly day: string;
  readonly bytes: number;
}

export class Budgets {
  readonly #deps: AdHocDeps;
  readonly #documents = new LRUCache<string, SharedDocument<BudgetDocument>>({ max: maxDocuments });

  constructor(deps: AdHocDeps) {
    this.#deps = deps;
  }

  /** Bytes of today that may still be set aside. */
  async left(scope: Tenancy): Promise<number> {
    const { jobs, clock, limits } = this.#deps;
    const found = await jobs.get<BudgetDocument>(budgetKey(scope, budgetDay(clock())));
    return Math.max(0, limits.bytesPerDay - used(found?.value ?? unused));
  }

  /** Resolves to null when the bytes are set aside, or were; to what is left of the day when that is less. */
  async reserve(scope: Tenancy, { id, day, bytes }: Charged): Promise<{ readonly left: number } | null> {
    const { bytesPerDay } = this.#deps.limits;
    const changed = await this.#of(scope, day).change((current) => {
      const { spent, reserved } = current ?? unused;
      if (id in reserved || used({ spent, reserved }) + bytes > bytesPerDay) return current;
      return { spent, reserved: { ...reserved, [id]: bytes } };
    });
    const budget = changed?.value ?? unused;
    return id in budget.reserved ? null : { left: Math.max(0, bytesPerDay - used(budget)) };
  }

  /** Nothing is charged for what nothing is set aside for: that was never started, or is charged already. */
  async charge(scope: Tenancy, { id, day, bytes }: Charged): Promise<void> {
    await this.#of(scope, day).change((current) => {
      if (current === null || !(id in current.reserved)) return current;
      const { [id]: _estimate, ...reserved } = current.reserved;
      return { spent: current.spent + bytes, reserved };
    });
  }

  #of(scope: Tenancy, day: string): SharedDocument<BudgetDocument> {
    const key = budgetKey(scope, day);
    const known = this.#documents.get(itemId(key)) ?? new SharedDocument<BudgetDocument>(this.#deps, key);
    this.#documents.set(itemId(key), known);
    return known;
  }
}

const maxDocuments = 1_000;
const unused: BudgetDocument = { spent: 0, reserved: {} };

function used({ spent, reserved }: BudgetDocument): number {
  return Object.values(reserved).reduce((sum, bytes) => sum + bytes, spent);
}
