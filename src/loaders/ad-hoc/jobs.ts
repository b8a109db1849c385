/**
 * The Athena fallback of one process: questions are answered from what was computed before, by what is being computed,
 * or by a new execution; by whichever process, each is computed once while the lake partitions that it reads are
 * unchanged.
 *
 * Delivery guarantee: whoever waits gets the answer, or the code of why there is none; `AD_HOC_PENDING` is said after it
 * is written down that the execution goes on.
 */
import { type AdHocJob, type ExecutionDocument, isOver, jobOf } from "../../model/ad-hoc-job.ts";
import { AdHocPendingError, type SluiceError } from "../../model/errors.ts";
import type { Scope } from "../../model/scope.ts";
import type { Instant } from "../../model/time.ts";
import { type AdHocAnswer, Answers } from "./answers.ts";
import type { Attendance } from "./attendance.ts";
import { Attendances } from "./attendances.ts";
import { Claims } from "./claims.ts";
import type { AdHocDeps } from "./deps.ts";
import { cancelled, errorOf, failed } from "./endings.ts";
import { LookupVersions } from "./lookup-versions.ts";
import { type AdHocAsk, checkSize, pose, type Posed } from "./questions.ts";

export interface AdHocWait {
  /** 0: what is not known yet is pending at once. */
  readonly waitMs: number;
  /** The same for all that one request asks, one after the other: it waits from the first on. */
  readonly request?: object;
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
}

/** What ids of executions look like; clients send anything. */
const executionId = /^[\w-]{1,128}$/;

export class AdHocJobs {
  readonly #deps: AdHocDeps;
  readonly #answers: Answers;
  readonly #attendances: Attendances;
  readonly #claims: Claims;
  readonly #lookups: LookupVersions;
  /** One error for all who waited for an execution: it is logged once. */
  readonly #errors = new WeakMap<ExecutionDocument, SluiceError>();
  /** When requests asked for the first time. */
  readonly #beginnings = new WeakMap<object, Instant>();

  constructor(deps: AdHocDeps) {
    this.#deps = deps;
    this.#answers = new Answers(deps.limits.cachedCells);
    this.#attendances = new Attendances(deps);
    this.#claims = new Claims(deps, this.#attendances, this.#answers);
    this.#lookups = new LookupVersions(deps);
  }

  /** In the order asked: the answer, or the error of a question (`AdHocPendingError` with the id of its job). */
  async answer(
    scope: Scope,
    asks: readonly AdHocAsk[],
    wait: AdHocWait,
  ): Promise<readonly (AdHocAnswer | Error)[]> {
    const deadline = this.#began(wait) + wait.waitMs;
    const posed = await Promise.all(asks.map((ask) => this.#pose(scope, ask).catch(asError)));
    const open = posed.flatMap((each) =>
      each instanceof Error || this.#answers.get(each.id) !== undefined ? [] : [each],
    );
    const places = this.#claims.places(scope, open, wait.signal);
    const placed = new Map(open.map((each, i) => [each, places[i]!]));
    return Promise.all(
      posed.map(async (each) =>
        each instanceof Error
          ? each
          : this.#answer(scope, each, placed.get(each), deadline, wait.signal).catch(asError),
      ),
    );
  }

  /** Null for what is not there, or is another tenant's. A job whose process has died goes on, or is CANCELLED. */
  async job(scope: Scope, id: string): Promise<AdHocJob | null> {
    const attendance = await this.#attendance(scope, id);
    if (attendance === null) return null;
    await attendance.look();
    return jobOf(id, attendance.document);
  }

  /** Stops the job, whoever waits for it. Resolves to how it ended, also when that was before; null as for `job`. */
  async cancel(scope: Scope, id: string): Promise<AdHocJob | null> {
    const attendance = await this.#attendance(scope, id);
    return attendance && jobOf(id, await attendance.cancel());
  }

  /**
   * The job now and whenever it has changed, its end last; nothing where `job` is null. Whoever follows it counts as
   * waiting for it, until the iteration ends or is returned from.
   */
  watch(scope: Scope, id: string): AsyncIterableIterator<AdHocJob> {
    // a generator that sleeps is not returned from: it is woken
    const left = new AbortController();
    const updates = this.#updates(scope, id, left.signal);
    return {
      next: () => updates.next(),
      return: () => {
        left.abort();
        return updates.return(undefined);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Leaves what it waits for, stops what nobody else wants, and leaves the rest to other processes. */
  close(): Promise<void> {
    return this.#attendances.close();
  }

  #began({ request = {} }: AdHocWait): Instant {
    const began = this.#beginnings.get(request) ?? this.#deps.clock();
    this.#beginnings.set(request, began);
    return began;
  }

  async #pose(scope: Scope, ask: AdHocAsk): Promise<Posed> {
    const posed = await pose(scope, ask, this.#lookups);
    checkSize(posed);
    return posed;
  }

  async #answer(
    scope: Scope,
    posed: Posed,
    placed: Promise<Attendance> | undefined,
    deadline: Instant,
    signal: AbortSignal | undefined,
  ): Promise<AdHocAnswer> {
    for (let place = placed; ; place = undefined) {
      const known = this.#answers.get(posed.id);
      if (known !== undefined) return known;
      place ??= this.#claims.places(scope, [posed], signal)[0]!;
      const attendance = await unlessLeft(place, signal);
      // it had ended before anybody waited for it here: it is asked anew
      if (await attendance.join())
        try {
          return await this.#answerOf(posed, attendance, deadline, signal);
        } finally {
          attendance.leave();
        }
      this.#claims.forget(posed.id, place);
    }
  }

  async #answerOf(
    posed: Posed,
    attendance: Attendance,
    deadline: Instant,
    signal: AbortSignal | undefined,
  ): Promise<AdHocAnswer> {
    await this.#untilOver(attendance, deadline, signal);
    if (!isOver(attendance.document)) {
      if (signal?.aborted) throw errorOf(cancelled("nobody waits for it"));
      if (!isOver(await attendance.lease())) throw new AdHocPendingError(attendance.id);
    }
    if (attendance.document.state !== "SUCCEEDED") throw this.#errorOf(attendance.document);
    const answer = await this.#answers.read(posed, attendance);
    if (answer === null) throw errorOf(failed("Athena no longer has the result."));
    return answer;
  }

  /** Resolves when it is over, or the wait is. */
  async #untilOver(
    attendance: Attendance,
    deadline: Instant,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const done = new AbortController();
    const until = signal === undefined ? done.signal : AbortSignal.any([done.signal, signal]);
    try {
      for (;;) {
        const left = deadline - this.#deps.clock();
        if (isOver(attendance.document) || until.aborted || left <= 0) return;
        await Promise.race([attendance.ended, this.#deps.wait(left, until)]);
      }
    } finally {
      done.abort();
    }
  }

  #errorOf(document: ExecutionDocument): SluiceError {
    const error = this.#errors.get(document) ?? errorOf(document);
    this.#errors.set(document, error);
    return error;
  }

  async #attendance(scope: Scope, id: string): Promise<Attendance | null> {
    return executionId.test(id) ? this.#attendances.of(scope, id) : null;
  }

  async *#updates(scope: Scope, id: string, left: AbortSignal): AsyncGenerator<AdHocJob, void, undefined> {
    let attendance = await this.#attendance(scope, id);
    let joined = false;
    // one that is left just now is looked for again
    while (attendance !== null && !(joined = await attendance.join()) && !isOver(attendance.document))
      attendance = await this.#attendance(scope, id);
    if (attendance === null) return;
    const leaving = new Promise<void>((resolve) => left.addEventListener("abort", () => resolve()));
    try {
      for (let shown = ""; !left.aborted; ) {
        const changed = attendance.changed();
        const job = jobOf(id, attendance.document);
        if (JSON.stringify(job) !== shown) yield job;
        shown = JSON.stringify(job);
        if (isOver(job)) return;
        await Promise.race([changed, attendance.ended, leaving]);
      }
    } finally {
      if (joined) attendance.leave();
    }
  }
}

/** Rejects as soon as nobody waits. */
function unlessLeft<T>(found: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? found : Promise.race([found, parting(signal)]);
}

const partings = new WeakMap<AbortSignal, Promise<never>>();

/** Rejects when whoever asks has left; one listener for all that a request asks. */
function parting(signal: AbortSignal): Promise<never> {
  const known = partings.get(signal);
  if (known !== undefined) return known;
  const left = new Promise<never>((_, reject) => {
    const leave = (): void => reject(errorOf(cancelled("nobody waits for it")));
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
  });
  left.catch(() => {});
  partings.set(signal, left);
  return left;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
