/** The executions that this process has to do with, each attended once. */
import type { Versioned } from "../../backends/control-store.ts";
import {
  type ExecutionDocument,
  executionKey,
  expiryOf,
  isOver,
  type Tenancy,
} from "../../model/ad-hoc-job.ts";
import { itemId } from "../../model/layout.ts";
import { Attendance } from "./attendance.ts";
import type { AdHocDeps } from "./deps.ts";
import { Driver } from "./driver.ts";
import { Slots } from "./slots.ts";

/** What a new execution is made of; the rest is as all begin. */
export type NewExecution = Pick<
  ExecutionDocument,
  "sql" | "parameters" | "database" | "layout" | "questions" | "estimate"
>;

export class Attendances {
  readonly #deps: AdHocDeps;
  readonly #process: string;
  readonly #driver: Driver;
  readonly #attended = new Map<string, Attendance>();

  constructor(deps: AdHocDeps) {
    this.#deps = deps;
    this.#process = deps.token();
    this.#driver = new Driver(
      deps,
      new Slots(deps, this.#process, (scope, id) => this.#lookAfter(scope, id)),
    );
  }

  /** Null when the tenant has no such execution. */
  async of(scope: Tenancy, id: string): Promise<Attendance | null> {
    const key = itemId(executionKey(scope, id));
    const known = this.#attended.get(key);
    if (known !== undefined) return known;
    const found = await this.#deps.jobs.get<ExecutionDocument>(executionKey(scope, id));
    if (found === null) return null;
    return this.#attended.get(key) ?? this.#attend(scope, id, found);
  }

  /** A new execution of this process, to be held by whoever asked for it. */
  async create(scope: Tenancy, id: string, execution: NewExecution): Promise<Attendance> {
    const { jobs, clock, limits } = this.#deps;
    const now = clock();
    const until = now + limits.leaseMs;
    const document: ExecutionDocument = {
      tenant: scope.tenant,
      ...execution,
      state: "QUEUED",
      queryId: null,
      owner: this.#process,
      ownerUntil: until,
      interest: { [this.#process]: until },
      pendingUntil: null,
      submittedAt: now,
      startedAt: null,
      bytesScanned: null,
      progress: null,
      error: null,
      reason: null,
    };
    const revision = await jobs.put(executionKey(scope, id), document, null, expiryOf(now));
    if (revision === null) throw new TypeError(`An execution "${id}" was there before it was made.`);
    return this.#attend(scope, id, { value: document, revision });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#attended.values()].map((attendance) => attendance.close()));
  }

  #attend(scope: Tenancy, id: string, found: Versioned<ExecutionDocument>): Attendance {
    const key = itemId(executionKey(scope, id));
    const attendance: Attendance = new Attendance({
      deps: this.#deps,
      process: this.#process,
      scope,
      id,
      found,
      drive: (driven, signal) => this.#driver.drive(driven, signal),
      gone: () => {
        if (this.#attended.get(key) === attendance) this.#attended.delete(key);
      },
    });
    if (!isOver(found.value)) this.#attended.set(key, attendance);
    return attendance;
  }

  /** An execution whose slot nobody renews: it is driven on, or settled where only that is missing. */
  async #lookAfter(scope: Tenancy, id: string): Promise<void> {
    const attendance = await this.of(scope, id);
    if (attendance === null) await this.#driver.forget(id);
    else if (isOver(attendance.document)) await this.#driver.settle(attendance);
    else await attendance.sync();
  }
}
