/**
 * Subscriptions that mean the same are one: executed once per update, serialised once, and handed to everybody who
 * follows it as the same bytes.
 *
 * Delivery guarantee: a member of an insight gets the newest state first and every later one; a member of a feed every
 * page from its joining on, or from its cursor on: it is caught up by an execution of its own, which hands over to the
 * shared one at the entry that both have come to.
 */
import { createSourceEventStream, execute, type ExecutionArgs, type ExecutionResult } from "graphql";
import type { SluiceContext } from "../schema/context.ts";
import { type Sameness, samenessOf, type Subscribing } from "./sameness.ts";

/** One result for all who wait for it. */
export interface Payload {
  /** JSON of an execution result, in UTF-8. */
  readonly bytes: Buffer;
  /** Of a feed: the entry of the broadcast that it is of, and the cursor behind it. */
  readonly at?: string;
  readonly cursor?: string;
}

export interface Member {
  next(payload: Payload): void;
  done(): void;
  /** Nothing comes after it. */
  failed(error: unknown): void;
  /** Resolves when it can take more; null: at once. Only who is caught up is waited for. */
  room?(): Promise<void> | null;
}

export interface Asked extends Subscribing {
  /** A context of its own for an execution, which is left when the signal is aborted. */
  newContext(left: AbortSignal, level?: (at: string) => boolean): SluiceContext;
}

export interface SharedOperationsOptions {
  /** JSON of what an execution in a context has come to. */
  readonly serialise: (context: SluiceContext, result: ExecutionResult) => string;
}

type Events = AsyncIterableIterator<{ readonly at?: string; readonly cursor?: string } | null>;

export class SharedOperations {
  readonly #serialise: SharedOperationsOptions["serialise"];
  readonly #runs = new Map<string, SharedRun>();

  constructor({ serialise }: SharedOperationsOptions) {
    this.#serialise = serialise;
  }

  /** How many executions there are for all members. */
  get size(): number {
    return this.#runs.size;
  }

  /** Follows a subscription. Returns the function that leaves it; `member` is not called after that. */
  join(asked: Asked, member: Member): () => void {
    const sameness = samenessOf(asked);
    const run = this.#run(sameness, asked);
    return sameness.resumes ? this.#catchUp(sameness, asked, run, member) : run.join(member, "");
  }

  #run({ key, shared, snapshot }: Sameness, asked: Asked): SharedRun {
    const known = key === null ? undefined : this.#runs.get(key);
    if (known !== undefined) return known;
    const results = (left: AbortSignal) => this.#execute(shared, asked.newContext(left), left);
    const run = new SharedRun(results, snapshot, () => {
      if (key !== null && this.#runs.get(key) === run) this.#runs.delete(key);
    });
    if (key !== null) this.#runs.set(key, run);
    return run;
  }

  /** Meanwhile the shared run is kept going, so that there is one to go on with. */
  #catchUp({ own }: Sameness, asked: Asked, run: SharedRun, member: Member): () => void {
    const release = run.hold();
    const left = new AbortController();
    let leave = (): void => {
      left.abort();
      release();
    };
    const level = (at: string): boolean => {
      if (left.signal.aborted || !run.isBehind(at)) return false;
      leave = run.join(member, at);
      release();
      return true;
    };
    let handedOver = false;
    const mine: Member = {
      next: (payload) => member.next(payload),
      done: () => handedOver || member.done(),
      failed: (error) => member.failed(error),
      room: () => member.room?.() ?? null,
    };
    const context = asked.newContext(left.signal, (at) => (handedOver = level(at)));
    void follow(this.#execute(own, context, left.signal), mine, left.signal).finally(release);
    return () => leave();
  }

  async *#execute(
    operation: Sameness["own"],
    context: SluiceContext,
    left: AbortSignal,
  ): AsyncGenerator<Payload, void, undefined> {
    const args: ExecutionArgs = { ...operation, contextValue: context };
    const events = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in events)) throw events.errors![0]!;
    // left before there was anything to stop: the source has not begun
    if (left.aborted) return;
    // what waits for the next event is woken by its source alone
    left.addEventListener("abort", () => void (events as Events).return?.().catch(() => {}), { once: true });
    for await (const event of events as Events) {
      if (left.aborted) return;
      const result = await execute({ ...args, rootValue: event });
      const bytes = Buffer.from(this.#serialise(context, result));
      const { at, cursor } = event ?? {};
      yield { bytes, ...(at !== undefined && { at }), ...(cursor !== undefined && { cursor }) };
    }
  }
}

/** One execution, and who follows it. It begins with the first member and ends with the last. */
class SharedRun {
  readonly #results: (left: AbortSignal) => AsyncGenerator<Payload, void, undefined>;
  readonly #snapshot: boolean;
  readonly #over: () => void;
  readonly #left = new AbortController();
  /** With the entry up to which each has seen everything. */
  readonly #members = new Map<Member, string>();
  #holds = 0;
  #state: "new" | "running" | "over" = "new";
  #newest: Payload | null = null;

  constructor(
    results: (left: AbortSignal) => AsyncGenerator<Payload, void, undefined>,
    snapshot: boolean,
    over: () => void,
  ) {
    this.#results = results;
    this.#snapshot = snapshot;
    this.#over = over;
  }

  /** A member that has seen everything up to the entry `seen`. */
  join(member: Member, seen: string): () => void {
    this.#members.set(member, seen);
    const leave = this.hold();
    if (this.#snapshot && this.#newest !== null) member.next(this.#newest);
    return () => {
      this.#members.delete(member);
      leave();
    };
  }

  /** Keeps it going until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    this.#start();
    let held = true;
    return () => {
      if (held && --this.#holds === 0) this.#end();
      held = false;
    };
  }

  /** Whether whoever has seen everything up to the entry can go on here: it runs, and has not told of more. */
  isBehind(at: string): boolean {
    return this.#state === "running" && (this.#newest?.at ?? "") <= at;
  }

  #start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    const all: Member = {
      next: (payload) => this.#tell(payload),
      done: () => this.#finish((member) => member.done()),
      failed: (error) => this.#finish((member) => member.failed(error)),
    };
    void follow(this.#results(this.#left.signal), all, this.#left.signal);
  }

  #tell(payload: Payload): void {
    this.#newest = payload;
    const { at } = payload;
    // no entry of the map becomes an array: there may be ten thousand
    this.#members.forEach((seen, member) => {
      if (at === undefined || at > seen) member.next(payload);
    });
  }

  #finish(tell: (member: Member) => void): void {
    const members = [...this.#members.keys()];
    this.#end();
    for (const member of members) tell(member);
  }

  #end(): void {
    this.#state = "over";
    this.#members.clear();
    this.#over();
    this.#left.abort();
  }
}

/** Hands results on until they end, fail or are left. */
async function follow(
  results: AsyncGenerator<Payload, void, undefined>,
  member: Member,
  left: AbortSignal,
): Promise<void> {
  try {
    for await (const payload of results) {
      if (left.aborted) return;
      member.next(payload);
      const room = member.room?.() ?? null;
      if (room !== null) await room;
    }
    if (!left.aborted) member.done();
  } catch (error) {
    if (!left.aborted) member.failed(error);
  }
}
