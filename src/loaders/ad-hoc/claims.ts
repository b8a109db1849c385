/**
 * Which execution answers a question: one that another request or process has claimed it for, or a new one. What a
 * request finds unclaimed goes into one statement per source.
 *
 * Delivery guarantee: of all who ask a question at the same time, in whatever processes, one claims it. A claim whose
 * execution never appeared, since its process died in between, is free again after a while.
 */
import type { Versioned } from "../../backends/control-store.ts";
import {
  expiryOf,
  isOver,
  type QuestionDocument,
  questionKey,
  type Tenancy,
} from "../../model/ad-hoc-job.ts";
import type { Answers } from "./answers.ts";
import type { Attendance } from "./attendance.ts";
import type { Attendances } from "./attendances.ts";
import { Budgets } from "./budget.ts";
import { type AdHocDeps, spread } from "./deps.ts";
import { cancelled, errorOf } from "./endings.ts";
import { executionOf, groupsOf, type Posed } from "./questions.ts";
import { Turnstile } from "./turnstile.ts";

/** A question whose execution is being looked for. */
interface Open {
  readonly posed: Posed;
  /** Of those who ask, aborted when they have left. */
  readonly askers: Set<AbortSignal>;
  readonly place: Promise<Attendance>;
  readonly resolve: (attendance: Attendance) => void;
  readonly reject: (error: unknown) => void;
}

/** What stands of a question: its execution, or that it can be claimed, or that it was claimed a moment ago. */
type Found =
  | { readonly kind: "attended"; readonly attendance: Attendance }
  | { readonly kind: "free"; readonly claim: Versioned<QuestionDocument> | null }
  | { readonly kind: "claimed" };

const firstPollMs = 25;
const longestPollMs = 500;
const requestsAtATime = 4;
/** Of whoever does not leave. */
const stays = new AbortController().signal;

export class Claims {
  readonly #deps: AdHocDeps;
  readonly #attendances: Attendances;
  readonly #answers: Answers;
  readonly #budgets: Budgets;
  /** Requests that come by the hundred are settled a few at a time: what is stored is answered in between. */
  readonly #turnstile = new Turnstile(requestsAtATime);
  /** By question: what is being looked for, or attended here. */
  readonly #places = new Map<string, Open>();

  constructor(deps: AdHocDeps, attendances: Attendances, answers: Answers) {
    this.#deps = deps;
    this.#attendances = attendances;
    this.#answers = answers;
    this.#budgets = new Budgets(deps);
  }

  /**
   * For each question the execution that answers it, or has. Whoever waits for it joins it at once. One that all have left
   * who asked is not claimed any more.
   */
  places(scope: Tenancy, posed: readonly Posed[], asker: AbortSignal = stays): Promise<Attendance>[] {
    const opened: Open[] = [];
    const places = posed.map((each) => {
      const known = this.#places.get(each.id);
      const open = known ?? openPlace(each);
      open.askers.add(asker);
      if (known !== undefined) return open.place;
      opened.push(open);
      this.#places.set(each.id, open);
      this.#forgetInTime(each.id, open.place);
      return open.place;
    });
    this.#settle(scope, opened).catch((error: unknown) => opened.forEach(({ reject }) => reject(error)));
    return places;
  }

  /** It is looked for again next time. */
  forget(question: string, place: Promise<Attendance>): void {
    if (this.#places.get(question)?.place === place) this.#places.delete(question);
  }

  #forgetInTime(question: string, place: Promise<Attendance>): void {
    const forget = () => this.forget(question, place);
    place.then((attendance) => attendance.ended).then(forget, forget);
  }

  async #settle(scope: Tenancy, opened: readonly Open[]): Promise<void> {
    let open = opened;
    for (let pollMs = firstPollMs; open.length > 0; pollMs = Math.min(longestPollMs, pollMs * 2)) {
      const left = open;
      open = await this.#turnstile.pass(scope.tenant, () => this.#settled(scope, this.#wanted(left)));
      if (open.length > 0) await this.#deps.wait(spread(pollMs, this.#deps));
    }
  }

  /** Those that somebody waits for. */
  #wanted(open: readonly Open[]): readonly Open[] {
    const isLeft = ({ askers }: Open) => [...askers].every(({ aborted }) => aborted);
    for (const { posed, place, reject } of open.filter(isLeft)) {
      // whoever asks from now on opens a new one
      this.forget(posed.id, place);
      reject(errorOf(cancelled("nobody waits for it")));
    }
    return open.filter((each) => !isLeft(each));
  }

  /** Resolves to those that others have claimed a moment ago. */
  async #settled(scope: Tenancy, open: readonly Open[]): Promise<Open[]> {
    const attended = new Map<string, Promise<Attendance | null>>();
    const free: { open: Open; claim: Versioned<QuestionDocument> | null }[] = [];
    const claimed: Open[] = [];
    const found = await Promise.all(
      open.map((each) => orRejected(each, () => this.#find(scope, each.posed, attended))),
    );
    // in the order asked: the same request makes the same statement
    for (const [i, each] of found.entries())
      if (each?.kind === "attended") handOver(open[i]!, each.attendance);
      else if (each?.kind === "free") free.push({ open: open[i]!, claim: each.claim });
      else if (each?.kind === "claimed") claimed.push(open[i]!);
    return [...claimed, ...(await this.#claim(scope, free))];
  }

  /** `attended`: executions that were found in this round, by id: many questions have one. */
  async #find(
    scope: Tenancy,
    posed: Posed,
    attended: Map<string, Promise<Attendance | null>>,
  ): Promise<Found> {
    const { jobs, clock, limits } = this.#deps;
    const claim = await jobs.get<QuestionDocument>(questionKey(scope, posed.id));
    if (claim === null) return { kind: "free", claim };
    const { execution, claimedAt } = claim.value;
    const known = attended.get(execution) ?? this.#attendances.of(scope, execution);
    attended.set(execution, known);
    const attendance = await known;
    if (attendance === null)
      return claimedAt + limits.claimMs <= clock() ? { kind: "free", claim } : { kind: "claimed" };
    if (!(await attendance.join()))
      return isOver(attendance.document) ? { kind: "free", claim } : { kind: "claimed" };
    const isReadable = await this.#isReadable(posed, attendance).catch((error: unknown) => {
      attendance.leave();
      throw error;
    });
    if (isReadable) return { kind: "attended", attendance };
    attendance.leave();
    return { kind: "free", claim };
  }

  async #isReadable(posed: Posed, attendance: Attendance): Promise<boolean> {
    const { state, questions } = attendance.document;
    if (!questions.includes(posed.id)) return false;
    return state !== "SUCCEEDED" || (await this.#answers.read(posed, attendance)) !== null;
  }

  /** Resolves to those that others were faster with. */
  async #claim(
    scope: Tenancy,
    free: readonly { readonly open: Open; readonly claim: Versioned<QuestionDocument> | null }[],
  ): Promise<Open[]> {
    const byPosed = new Map(free.map((each) => [each.open.posed, each]));
    const bytesLeft = free.length > 1 ? await this.#bytesLeft(scope) : Infinity;
    const groups = groupsOf([...byPosed.keys()], bytesLeft);
    const lost = await Promise.all(
      groups.map(async (group) => {
        const execution = this.#deps.token();
        const won = await Promise.all(
          group.map((posed) => {
            const { open, claim } = byPosed.get(posed)!;
            return orRejected(open, () => this.#claimFor(scope, execution, posed, claim));
          }),
        );
        const mine = group.filter((_, i) => won[i]);
        if (mine.length > 0) await this.#open(scope, execution, mine, byPosed);
        return group.filter((_, i) => won[i] === false);
      }),
    );
    return lost.flat().map((posed) => byPosed.get(posed)!.open);
  }

  /** How the questions are put together goes by it, no more: where it is not known, by their size alone. */
  #bytesLeft(scope: Tenancy): Promise<number> {
    return this.#budgets.left(scope).catch(() => Infinity);
  }

  async #claimFor(
    scope: Tenancy,
    execution: string,
    { id }: Posed,
    found: Versioned<QuestionDocument> | null,
  ): Promise<boolean> {
    const now = this.#deps.clock();
    const claim: QuestionDocument = {
      execution,
      attempt: (found?.value.attempt ?? 0) + 1,
      claimedAt: now,
    };
    const { jobs } = this.#deps;
    return (await jobs.put(questionKey(scope, id), claim, found?.revision ?? null, expiryOf(now))) !== null;
  }

  async #open(
    scope: Tenancy,
    id: string,
    group: readonly Posed[],
    opens: ReadonlyMap<Posed, { readonly open: Open }>,
  ): Promise<void> {
    const attendance = await this.#attendances.create(scope, id, executionOf(group));
    for (const posed of group) {
      attendance.hold();
      handOver(opens.get(posed)!.open, attendance);
    }
  }
}

function openPlace(posed: Posed): Open {
  let resolve!: Open["resolve"];
  let reject!: Open["reject"];
  const place = new Promise<Attendance>((...settle) => ([resolve, reject] = settle));
  place.catch(() => {});
  return { posed, askers: new Set(), place, resolve, reject };
}

/** What fails for one question fails for no other one of the request. */
async function orRejected<T>({ reject }: Open, work: () => Promise<T>): Promise<T | undefined> {
  return work().catch((error: unknown) => {
    reject(error);
    return undefined;
  });
}

/** It was joined for whoever waits for the place; they have joined it themselves before it is left. */
function handOver({ resolve }: Open, attendance: Attendance): void {
  resolve(attendance);
  setImmediate(() => attendance.leave());
}
