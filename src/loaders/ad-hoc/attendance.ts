/**
 * What this process knows of one execution and wants of it: how many wait here, the newest document, and whether this
 * process drives it.
 *
 * Delivery guarantee: while somebody waits here, the document says so, or a waiter is told otherwise; when the last one
 * has left everywhere and no pending lease holds it, the execution is CANCELLED by whoever left last. An execution
 * whose owner has died is driven by whoever waits for it.
 */
import type { Versioned } from "../../backends/control-store.ts";
import type { StatementResult } from "../../backends/warehouse.ts";
import { type ExecutionDocument, executionKey, isOver, type Tenancy } from "../../model/ad-hoc-job.ts";
import { SluiceError } from "../../model/errors.ts";
import type { Instant } from "../../model/time.ts";
import { type AdHocDeps, spread } from "./deps.ts";
import { change } from "./documents.ts";
import { cancelled, type Ending, errorOf } from "./endings.ts";
import { hasToSay, saying, type Stance } from "./stance.ts";

export interface AttendanceOptions {
  readonly deps: AdHocDeps;
  /** The name of this process. */
  readonly process: string;
  readonly scope: Tenancy;
  readonly id: string;
  readonly found: Versioned<ExecutionDocument>;
  /** Brings the execution to its end while the signal is not aborted, and settles what is over. */
  readonly drive: (attendance: Attendance, signal: AbortSignal) => Promise<void>;
  /** Told when nobody here has anything to do with the execution any more. */
  readonly gone: () => void;
}

/** By the number of the question, which stands first in a row. */
type RowsByQuestion = ReadonlyMap<number, StatementResult["rows"]>;

type Edit = (document: ExecutionDocument) => ExecutionDocument;

const firstPollMs = 100;
const longestPollMs = 500;

export class Attendance {
  readonly #options: AttendanceOptions;
  #known: Versioned<ExecutionDocument>;
  #waiters = 0;
  #driving: { readonly stopped: AbortController; readonly done: Promise<void> } | null = null;
  #attending = false;
  #closing = false;
  #gone = false;
  /** Changes of the document by this process happen one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #turns = 0;
  #leasing: Promise<ExecutionDocument> | null = null;
  #rows: Promise<RowsByQuestion | null> | null = null;
  #wakers: (() => void)[] = [];
  #resolve!: (ended: ExecutionDocument) => void;
  #reject!: (error: unknown) => void;
  /** How the execution ended; rejects when that cannot be known here. */
  readonly ended = new Promise<ExecutionDocument>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  constructor(options: AttendanceOptions) {
    this.#options = options;
    this.#known = options.found;
    this.ended.catch(() => {});
    if (isOver(this.document)) this.#resolve(this.document);
  }

  get id(): string {
    return this.#options.id;
  }

  get scope(): Tenancy {
    return this.#options.scope;
  }

  get document(): ExecutionDocument {
    return this.#known.value;
  }

  /** Not over, and this process's to drive. */
  get isOurs(): boolean {
    return !isOver(this.document) && this.document.owner === this.#options.process;
  }

  /**
   * One more waits, until it leaves. Resolves to false, and nobody waits, when the execution had ended without an answer
   * before: it was not waited for then; and when nobody here had to do with it any more, and it is to be looked for anew.
   */
  async join(): Promise<boolean> {
    if (this.#gone && !isOver(this.document)) return false;
    this.#waiters++;
    try {
      await this.sync();
    } catch (error) {
      this.leave();
      throw error;
    }
    if (isOver(this.document) && this.document.state !== "SUCCEEDED") {
      this.leave();
      return false;
    }
    void this.#attend();
    return true;
  }

  /** One more waits, until it leaves, for what this process has just made. */
  hold(): void {
    this.#waiters++;
    if (this.isOurs) this.#drive();
    void this.#attend();
  }

  leave(): void {
    this.#waiters = Math.max(0, this.#waiters - 1);
    if (this.#waiters === 0) this.sync().catch((error: unknown) => this.#fail(error));
  }

  /** Lets it run on for a while though nobody may wait. Resolves to the document as it is then. */
  lease(): Promise<ExecutionDocument> {
    const { clock, limits } = this.#options.deps;
    this.#leasing ??= this.change((document) =>
      isOver(document) ? document : { ...document, pendingUntil: clock() + limits.pendingMs },
    ).finally(() => (this.#leasing = null));
    return this.#leasing;
  }

  /** Ends it, unless it has ended; what was written before stays. */
  end(ending: Ending): Promise<ExecutionDocument> {
    return this.change((document) => (isOver(document) ? document : { ...document, ...ending }));
  }

  /** Ends it for all who wait for it, wherever they are. */
  async cancel(): Promise<ExecutionDocument> {
    const document = await this.end(cancelled("it was asked to be"));
    if (document.state === "CANCELLED") await this.#stop();
    return document;
  }

  /** Changes the document by compare-and-swap. Resolves to it as it is then. */
  change(edit: Edit): Promise<ExecutionDocument> {
    return this.#inTurn(() => this.#change(edit));
  }

  /** What Athena has told meanwhile: for those who follow it here, and written with the next change. */
  tell(news: Pick<ExecutionDocument, "bytesScanned" | "progress">): void {
    if (isOver(this.document)) return;
    this.#known = { ...this.#known, value: { ...this.document, ...news } };
    this.#wake();
  }

  /** The rows of its result, read once; null when Athena no longer has them. */
  rows(): Promise<RowsByQuestion | null> {
    const { queryId } = this.document;
    if (queryId === null) return Promise.resolve(null);
    this.#rows ??= this.#options.deps.executions.rows(queryId).then((rows) => rows && byQuestion(rows));
    this.#rows.catch(() => (this.#rows = null));
    return this.#rows;
  }

  /** Resolves with the next change. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  /** Reads what others have written, and drives it on where its process has died. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#refresh();
      await this.#sync();
    });
  }

  /** Says in the document what this process wants, does and takes over, where that is not said yet. */
  sync(): Promise<void> {
    return this.#inTurn(() => this.#sync());
  }

  /** Leaves for good: what nobody else wants is stopped, the rest is left to others. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#waiters = 0;
    await this.sync().catch(() => {});
    if (!isOver(this.document)) this.#driving?.stopped.abort();
    await this.#driving?.done;
  }

  get #key() {
    return executionKey(this.#options.scope, this.#options.id);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#turns++;
    const turn = this.#last.then(work, work);
    const after = (): void => {
      this.#turns--;
      this.#goIfIdle();
    };
    this.#last = turn.then(after, after);
    return turn;
  }

  /** What this process drives, no other one writes, but to end it. */
  async #refresh(): Promise<void> {
    if (this.isOurs && this.#driving !== null) return;
    const found = await this.#options.deps.jobs.get<ExecutionDocument>(this.#key);
    if (found !== null) this.#learn(found);
  }

  async #sync(): Promise<void> {
    if (!hasToSay(this.document, this.#stance)) return;
    const before = this.document;
    // somebody may come or leave while it is written
    await this.#change((document) => saying(document, this.#stance));
    if (isOver(before)) return;
    // whoever drives it may be far away: it is stopped from here
    if (this.document.state === "CANCELLED") await this.#stop();
    if (this.document.owner === this.#options.process) this.#drive();
  }

  async #change(edit: Edit): Promise<ExecutionDocument> {
    const { deps } = this.#options;
    const changed = await change<ExecutionDocument>(
      deps,
      this.#key,
      (current) => current && edit(current),
      this.#known,
    );
    if (changed !== null) this.#learn(changed);
    return this.document;
  }

  #learn(found: Versioned<ExecutionDocument>): void {
    if (found.revision <= this.#known.revision) return;
    this.#known = found;
    if (!this.isOurs) this.#driving?.stopped.abort();
    if (isOver(found.value)) this.#resolve(found.value);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  get #stance(): Stance {
    const { process, deps } = this.#options;
    const { clock, limits } = deps;
    const { leaseMs } = limits;
    return { process, waits: this.#waiters > 0, leaves: this.#closing, now: clock(), leaseMs };
  }

  async #stop(): Promise<void> {
    const { queryId } = this.document;
    if (queryId !== null) await this.#options.deps.executions.stop(queryId).catch(() => {});
  }

  #drive(): void {
    if (this.#driving !== null || (this.#closing && !isOver(this.document))) return;
    const stopped = new AbortController();
    if (!this.isOurs) stopped.abort();
    const done = this.#options
      .drive(this, stopped.signal)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#driving = null;
        void this.#inTurn(async () => {});
      });
    this.#driving = { stopped, done };
    void this.#attend();
  }

  /** Keeps up what is said, or follows what the owner writes and takes over when it no longer does. */
  async #attend(): Promise<void> {
    if (this.#attending) return;
    this.#attending = true;
    const { deps } = this.#options;
    let saidAt = deps.clock();
    try {
      for (let pollMs = firstPollMs; this.#isActive; pollMs = Math.min(longestPollMs, pollMs * 1.5)) {
        const pauseMs = this.#waitsForItsTurn ? deps.limits.leaseMs / 6 : pollMs;
        await Promise.race([deps.wait(spread(pauseMs, deps)), this.ended]);
        if (!this.#isActive) break;
        saidAt = (await this.#looked(saidAt)) ? deps.clock() : saidAt;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#attending = false;
    await this.#inTurn(async () => {});
  }

  /** Resolves to false where the store did not answer and what was said last still counts long enough to try again. */
  async #looked(saidAt: Instant): Promise<boolean> {
    const { clock, limits } = this.#options.deps;
    try {
      await this.look();
      return true;
    } catch (error) {
      // two thirds of the lease were left when the store answered last: one third is left now
      const isUnanswered = error instanceof SluiceError && error.code === "BACKEND_UNAVAILABLE";
      if (!isUnanswered || clock() >= saidAt + limits.leaseMs / 3) throw error;
      return false;
    }
  }

  /** There is only what is said of it to keep up: hundreds may wait, and would keep a process busy. */
  get #waitsForItsTurn(): boolean {
    return this.#driving !== null && this.document.state === "QUEUED";
  }

  get #isActive(): boolean {
    return !isOver(this.document) && !this.#gone && (this.#waiters > 0 || this.#driving !== null);
  }

  /** After every turn: while something is to be written, whoever comes finds this attendance and no second one. */
  #goIfIdle(): void {
    if (this.#turns > 0 || this.#gone || this.#attending || this.#driving !== null || this.#isActive) return;
    this.#gone = true;
    this.#options.gone();
    if (!isOver(this.document)) this.#reject(errorOf(cancelled("nobody waits for it")));
  }

  #fail(error: unknown): void {
    this.#reject(error);
    this.#gone = true;
    this.#driving?.stopped.abort();
    this.#wake();
    this.#options.gone();
  }
}

function byQuestion(rows: StatementResult["rows"]): RowsByQuestion {
  const found = new Map<number, StatementResult["rows"][number][]>();
  for (const row of rows) {
    const number = Number(row[0]);
    const own = found.get(number);
    if (own === undefined) found.set(number, [row]);
    else own.push(row);
  }
  return found;
}
