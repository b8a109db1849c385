/**
 * Bytes per tenant and UTC day: an execution's estimate is set aside before it starts, and replaced with the truth when it
 * is over.
 *
 * Delivery guarantee: an execution is charged once, however often it is said to be over.
 */
import { type BudgetDocument, budgetKey, type Tenancy } from "../../model/ad-hoc-job.ts";
import type { AdHocDeps } from "./deps.ts";
import { change } from "./documents.ts";

/** Resolves to null when the bytes are set aside, or were; to what is left of the day when that is less. */
export async function reserve(
  deps: AdHocDeps,
  scope: Tenancy,
  { id, day, bytes }: { readonly id: string; readonly day: string; readonly bytes: number },
): Promise<{ readonly left: number } | null> {
  const { bytesPerDay } = deps.limits;
  const changed = await change<BudgetDocument>(deps, budgetKey(scope, day), (current) => {
    const { spent, reserved } = current ?? unused;
    if (id in reserved || used({ spent, reserved }) + bytes > bytesPerDay) return current;
    return { spent, reserved: { ...reserved, [id]: bytes } };
  });
  const budget = changed?.value ?? unused;
  return id in budget.reserved ? null : { left: Math.max(0, bytesPerDay - used(budget)) };
}

/** Nothing is charged for what nothing is set aside for: that was never started, or is charged already. */
export async function charge(
  deps: AdHocDeps,
  scope: Tenancy,
  { id, day, bytes }: { readonly id: string; readonly day: string; readonly bytes: number },
): Promise<void> {
  await change<BudgetDocument>(deps, budgetKey(scope, day), (current) => {
    if (current === null || !(id in current.reserved)) return current;
    const { [id]: _estimate, ...reserved } = current.reserved;
    return { spent: current.spent + bytes, reserved };
  });
}

const unused: BudgetDocument = { spent: 0, reserved: {} };

function used({ spent, reserved }: BudgetDocument): number {
  return Object.values(reserved).reduce((sum, bytes) => sum + bytes, spent);
}
