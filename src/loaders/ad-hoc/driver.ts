/**
 * Brings an execution to its end: waits for a slot, checks the budget, starts it at Athena, follows it, writes how it
 * ended, and settles: the truth is charged and the slot is freed.
 *
 * Delivery guarantee: however often it is driven, by whatever processes, it is one execution at Athena: its id is its
 * token there. What was cancelled before `startedAt` was written is never started.
 */
import type { ExecutionStatus } from "../../backends/warehouse.ts";
import { budgetDay, type ExecutionDocument, isOver } from "../../model/ad-hoc-job.ts";
import { SluiceError } from "../../model/errors.ts";
import type { Attendance } from "./attendance.ts";
import { Budgets } from "./budget.ts";
import { type AdHocDeps, spread } from "./deps.ts";
import { broken, cancelled, type Ending, failed, overBudget, timedOut } from "./endings.ts";
import type { Slots } from "./slots.ts";

const firstPollMs = 20;
const longestPollMs = 500;
const pollGrowth = 1.5;
/** Starts that Athena is too busy for, or does not answer, are tried again so often. */
const maxRetries = 6;
const firstRetryMs = 250;
/** Polls in a row that Athena does not answer. */
const maxBlindPolls = 20;
/** How often what was stopped is asked whether it is over. */
const maxFinalPolls = 40;
/** How often progress is written for other processes. */
const progressMs = 1_000;

export class Driver {
  readonly #deps: AdHocDeps;
  readonly #slots: Slots;
  readonly #budgets: Budgets;

  constructor(deps: AdHocDeps, slots: Slots) {
    this.#deps = deps;
    this.#budgets = new Budgets(deps);
    this.#slots = slots;
  }

  /** Resolves when it is over and settled, or is not this process's to drive any more. */
  async drive(attendance: Attendance, signal: AbortSignal): Promise<void> {
    try {
      if (!isOver(attendance.document)) await this.#run(attendance, signal);
      if (isOver(attendance.document)) await this.settle(attendance);
    } finally {
      this.#slots.leave(attendance.id);
    }
  }

  /** Charges what is over and frees its slot. Idempotent. */
  async settle(attendance: Attendance): Promise<void> {
    const { id, scope, document } = attendance;
    const bytes = await this.#bytesOf(id, document);
    await this.#budgets.charge(scope, { id, day: budgetDay(document.submittedAt), bytes });
    if (bytes !== document.bytesScanned)
      await attendance.change((current) => ({ ...current, bytesScanned: bytes }));
    await this.#slots.free(id);
  }

  /** An execution that nobody knows any more. */
  async forget(id: string): Promise<void> {
    await this.#slots.free(id);
  }

  async #run(attendance: Attendance, signal: AbortSignal): Promise<void> {
    const { id, scope } = attendance;
    if (attendance.document.startedAt !== null) await this.#slots.keep(scope, id);
    else if (!(await this.#slots.take(scope, id, signal))) return;
    if (!(await this.#isAffordable(attendance))) return;
    const { clock } = this.#deps;
    await attendance.change((document) =>
      isOver(document) ? document : { ...document, startedAt: document.startedAt ?? clock() },
    );
    if (!attendance.isOurs) return;
    const queryId = attendance.document.queryId ?? (await this.#start(attendance, signal));
    if (queryId === null) return;
    const named = attendance.change((document) => ({
      ...document,
      queryId,
      ...(!isOver(document) && { state: "RUNNING" }),
    }));
    await Promise.all([named, this.#follow(attendance, queryId, signal)]);
  }

  async #isAffordable(attendance: Attendance): Promise<boolean> {
    const { id, scope, document } = attendance;
    const { estimate, submittedAt } = document;
    const refusal = await this.#budgets.reserve(scope, { id, day: budgetDay(submittedAt), bytes: estimate });
    if (refusal === null) return true;
    await attendance.end(overBudget(estimate, refusal.left, this.#deps.limits.bytesPerDay));
    return false;
  }

  /** Null when it is not this process's to drive any more, or has ended in not being started. */
  async #start(attendance: Attendance, signal: AbortSignal): Promise<string | null> {
    for (let retry = 0; !signal.aborted; retry++) {
      try {
        return await this.#deps.executions.start(attendance.document, attendance.id);
      } catch (error) {
        if (!isTransient(error) || retry === maxRetries) {
          // what Athena did not answer for may run: it is looked for when it is settled
          const mayRun = isCode(error, "BACKEND_UNAVAILABLE");
          await attendance.end({ ...broken(error), ...(!mayRun && { startedAt: null }) });
          return null;
        }
        await this.#deps.wait(spread(firstRetryMs * 2 ** retry, this.#deps), signal);
      }
    }
    return null;
  }

  async #follow(attendance: Attendance, queryId: string, signal: AbortSignal): Promise<void> {
    const { wait, limits, clock } = this.#deps;
    const deadline = attendance.document.startedAt! + limits.maxRunMs;
    let writtenAt = clock();
    let blind = 0;
    for (let pollMs = firstPollMs; !signal.aborted; pollMs = Math.min(longestPollMs, pollMs * pollGrowth)) {
      const status = await this.#look(queryId);
      blind = status instanceof SluiceError ? blind + 1 : 0;
      const ending = endingOf(status, blind) ?? (clock() >= deadline ? timedOut(limits.maxRunMs) : null);
      if (ending !== null) {
        await attendance.end(ending);
        return;
      }
      if (status !== null && !(status instanceof SluiceError))
        attendance.tell(progressOf(status, attendance.document));
      if (clock() >= writtenAt + progressMs) {
        writtenAt = clock();
        // it is written for others to see: what is not written now is with the next one
        await attendance
          .change((document) => (isOver(document) ? document : { ...document }))
          .catch(() => {});
      }
      await wait(pollMs, signal);
    }
  }

  /** How it stands; null where Athena is too busy to say, the error where it cannot. */
  async #look(queryId: string): Promise<ExecutionStatus | SluiceError | null> {
    try {
      return await this.#deps.executions.look(queryId);
    } catch (error) {
      if (error instanceof SluiceError) return error;
      throw error;
    }
  }

  /** What an execution that is over has scanned. What may still run, in whatever state it was left, is stopped first. */
  async #bytesOf(id: string, document: ExecutionDocument): Promise<number> {
    const { state, startedAt, bytesScanned } = document;
    if (startedAt === null) return 0;
    if (state === "SUCCEEDED") return bytesScanned ?? 0;
    const { executions, wait } = this.#deps;
    try {
      const queryId = document.queryId ?? (await executions.start(document, id));
      await executions.stop(queryId);
      for (let poll = 0; poll < maxFinalPolls; poll++) {
        const status = await executions.look(queryId);
        if (status !== null && hasEnded(status)) return status.bytesScanned;
        await wait(Math.min(longestPollMs, firstPollMs * pollGrowth ** poll));
      }
    } catch (error) {
      // Athena cannot be asked: what was known last is charged
      if (!(error instanceof SluiceError)) throw error;
    }
    return bytesScanned ?? document.estimate;
  }
}

function isCode(error: unknown, code: SluiceError["code"]): boolean {
  return error instanceof SluiceError && error.code === code;
}

function isTransient(error: unknown): boolean {
  return isCode(error, "AD_HOC_THROTTLED") || isCode(error, "BACKEND_UNAVAILABLE");
}

function hasEnded({ state }: ExecutionStatus): boolean {
  return state !== "QUEUED" && state !== "RUNNING";
}

/** Null while it runs, or may: one call that is not answered says nothing. */
function endingOf(status: ExecutionStatus | SluiceError | null, blind: number): Ending | null {
  if (status === null) return null;
  if (status instanceof SluiceError)
    return isTransient(status) && blind <= maxBlindPolls ? null : broken(status);
  const { state, reason, bytesScanned } = status;
  if (state === "FAILED") return { ...failed(reason), bytesScanned };
  if (state === "CANCELLED") return { ...cancelled(reason), bytesScanned };
  if (state === "SUCCEEDED") return { state, error: null, reason: null, bytesScanned, progress: 1 };
  return null;
}

/** While it runs it is not done, whatever the estimate said. */
function progressOf(
  { bytesScanned }: ExecutionStatus,
  { estimate }: ExecutionDocument,
): Pick<ExecutionDocument, "bytesScanned" | "progress"> {
  return { bytesScanned, progress: estimate === 0 ? null : Math.min(0.99, bytesScanned / estimate) };
}
