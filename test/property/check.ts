/** Holds one answer to everything that can be known of it: ranges, completeness, provenance, and every number. */
import { insightsOf, type Json, join, type Seen } from "./answer.ts";
import { Oracle, type Span, type Values, wrong } from "./oracle.ts";
import { growing, type Question } from "./question.ts";
import {
  askedOrigin,
  isComplete,
  type Origin,
  originOf,
  type Range,
  resolved,
  rollupOf,
  type Source,
  type View,
} from "./sources.ts";
import type { Truth } from "./truth.ts";
import { isPinning, type Where } from "./where.ts";

export interface ProvenanceEntry {
  readonly path: string;
  readonly fields: readonly string[];
  readonly source: Source;
  readonly through: string;
  readonly partial?: boolean;
}

export interface Answered {
  readonly question: Question;
  readonly given: Json;
  /** Groups on the pages before this one. */
  readonly offset: number;
  /** Of this question, paths below its own. */
  readonly provenance: readonly ProvenanceEntry[];
  readonly view: View;
}

/** Resolves to what is wrong, with the oracle's SQL; to null when nothing is. */
export async function check(truth: Truth, answered: Answered): Promise<{ what: string; sql: string } | null> {
  const oracle = new Oracle(answered.question);
  try {
    await checkAll(truth, oracle, answered);
    return null;
  } catch (error) {
    return { what: (error as Error).message, sql: oracle.sql };
  }
}

async function checkAll(truth: Truth, oracle: Oracle, answered: Answered): Promise<void> {
  const { question, given, view } = answered;
  const range = resolved(
    question.spec,
    { ...heldByGroups(question), ...question.where },
    question.range,
    view,
  );
  const insights = await insightsOf(truth, question, given, range);
  const all = insights.flatMap((seen) => [seen, ...(seen.before ? [seen.before] : [])]);
  const facts = new Facts(answered, all);
  for (const seen of all) facts.checkShape(seen);
  facts.checkProvenance();
  for (const seen of all) for (const name of question.fields) oracle.add(facts.spanOf(seen, name));
  for (const span of facts.listings(range)) oracle.add(span);
  await oracle.ask(truth);
  for (const seen of all) checkValues(answered, facts, oracle, seen);
  for (const seen of insights) if (seen.before) checkGrowth(answered, facts, oracle, seen, seen.before);
  if (question.by !== null) checkGroups(answered, facts.listings(range), oracle, insights);
}

/** A group stands for one value of each dimension. */
function heldByGroups({ by }: Question): Where {
  return Object.fromEntries((by?.dimensions ?? []).map((each) => [each, { eq: 0 }]));
}

/** What follows from a question alone: where each field of each insight comes from, and up to when. */
class Facts {
  readonly #answered: Answered;
  readonly #seen: readonly Seen[];
  readonly #where: Where;
  readonly #origins = new Map<Seen, Origin>();

  constructor(answered: Answered, seen: readonly Seen[]) {
    this.#answered = answered;
    this.#seen = seen;
    this.#where = { ...answered.question.where, ...heldByGroups(answered.question) };
  }

  checkShape({ path, given, range }: Seen): void {
    const { question, view } = this.#answered;
    expectSame(`${path} from`, Date.parse(given.from), range.from, iso);
    expectSame(`${path} to`, Date.parse(given.to), range.to, iso);
    const isCovered = range.from >= view.coverage.from && range.to <= view.coverage.until;
    const rights = [
      isComplete(question.spec, this.#where, range, view),
      ...(this.#isAthenas(path) ? [isCovered] : []),
    ];
    if (!rights.includes(given.complete))
      throw new Error(`${path} at ${iso(range.from)} is said to be ${given.complete ? "" : "in"}complete`);
  }

  /** Stored measures of a rollup's slice never come from Athena, and what each entry says it counts is what is covered. */
  checkProvenance(): void {
    const { question } = this.#answered;
    if (this.#isAthenas("nodes") && this.#isListed())
      throw new Error("the groups are Athena's, and leaderboards hold all of them");
    for (const path of new Set(this.#seen.map((seen) => seen.path))) {
      const own = this.#seen.filter((seen) => seen.path === path);
      for (const name of question.fields) {
        const entries = this.#entries(path, name);
        if (entries.length === 0) throw new Error(`${join(path, name)} has no provenance`);
        this.#checkSources(entries, own, name);
      }
      for (const entry of this.#answered.provenance) if (entry.path === path) this.#checkThrough(entry, own);
    }
  }

  #checkSources(entries: readonly ProvenanceEntry[], own: readonly Seen[], name: string): void {
    const origins = own.map((seen) => this.originOf(seen, name));
    const mayAsk = origins.length > 1 && origins.some(({ isNothing }) => isNothing);
    const sourcesOf = (some: readonly Origin[]): Source[] => [
      ...new Set(some.flatMap(({ sources }) => sources)),
    ];
    const needed = sourcesOf(mayAsk ? origins.filter(({ isNothing }) => !isNothing) : origins);
    const possible = [...sourcesOf(origins), ...(mayAsk ? (["ATHENA"] as const) : [])];
    const given = entries.map(({ source }) => source);
    const isRight =
      new Set(given).size === given.length &&
      needed.every((source) => given.includes(source)) &&
      given.every((source) => possible.includes(source));
    if (!isRight)
      throw new Error(`${name} comes from ${given.join()} instead of ${needed.join()}: ${entries[0]!.path}`);
  }

  #checkThrough({ source, through, partial, path, fields }: ProvenanceEntry, own: readonly Seen[]): void {
    const { view } = this.#answered;
    const until = source === "LIVE" ? Math.max(view.liveTo!, view.coverage.until) : view.coverage.until;
    const originsOf = (seen: Seen): Origin[] => fields.map((name) => this.originOf(seen, name));
    const told = own.filter((seen) => originsOf(seen).some(({ sources }) => sources.includes(source)));
    const isNothing = (seen: Seen): boolean => originsOf(seen).some((origin) => origin.isNothing);
    const sure = told.filter((seen) => !isNothing(seen));
    if (!isThrough(Date.parse(through), sure, own.filter(isNothing), until))
      throw new Error(`through of ${path} from ${source} is ${through}, and it is known until ${iso(until)}`);
    const isPartial = told.some((seen) => originsOf(seen).some(({ gap }) => gap !== null));
    if (source === "LIVE") expectSame(`partial of ${path}`, partial ?? false, isPartial);
  }

  originOf(seen: Seen, name: string): Origin {
    const { question, view } = this.#answered;
    if (!question.spec.measures[name]!.stored || this.#isAthenas(seen.path))
      return askedOrigin(seen.range, view);
    const known = this.#origins.get(seen) ?? originOf(question.spec, this.#where, seen.range, view);
    this.#origins.set(seen, known);
    return known;
  }

  /** The events that count for a field: all that have come where it is live, else those that its entry tells of. */
  spanOf(seen: Seen, name: string): Span {
    const entries = this.#entries(seen.path, name);
    const { sources, gap } = this.originOf(seen, name);
    if (sources.includes("LIVE")) return { ...seen.range, upTo: null, gap };
    const entry =
      entries.find(({ source }) => source === sources[0]) ?? entries.find(({ source }) => source !== "LIVE")!;
    return { ...seen.range, upTo: Date.parse(entry.through), gap: null };
  }

  /** The events that decide which groups there are, and in which order: where there is no node to tell, either's. */
  listings(range: Range): Span[] {
    const { question, view } = this.#answered;
    const { measures } = question.spec;
    const name = question.by?.orderBy?.measure ?? question.fields.find((each) => measures[each]!.stored);
    const [node] = this.#seen.filter(({ path }) => path === "nodes");
    if (node && name) return [this.spanOf(node, name)];
    const asked = { ...range, upTo: view.coverage.until, gap: null };
    const { sources, gap } = originOf(question.spec, this.#where, range, view);
    return node || !sources.includes("LIVE") ? [asked] : [asked, { ...range, upTo: null, gap }];
  }

  /** Groups that Athena has found: so are all of their own fields. */
  #isAthenas(path: string): boolean {
    const own = this.#answered.provenance.filter((entry) => entry.path === path);
    return path === "nodes" && own.length > 0 && own.every(({ source }) => source === "ATHENA");
  }

  /** Whether what is stored names all groups and ranks them, and a stored field is asked that would tell. */
  #isListed(): boolean {
    const { question, view } = this.#answered;
    const { spec, where, by, fields } = question;
    const rollup = rollupOf(spec, { ...this.#where, ...where });
    const [node] = this.#seen.filter(({ path }) => path === "nodes");
    const isStored = (name: string): boolean => spec.measures[name]!.stored;
    if (rollup === undefined || node === undefined || !fields.some(isStored) || !isPinning(where))
      return false;
    const isRanked = by!.orderBy === null || isStored(by!.orderBy.measure);
    const isRead = !originOf(spec, this.#where, node.range, view).sources.includes("ATHENA");
    return isRead && isRanked && (rollup.listed || rollup.dimensions.every((each) => each in where));
  }

  #entries(path: string, name: string): readonly ProvenanceEntry[] {
    return this.#answered.provenance.filter((entry) => entry.path === path && entry.fields.includes(name));
  }
}

/** A list tells where what is cut short ends, if anything is; else where the last one does. Any of the others may be told of. */
function isThrough(through: number, sure: readonly Seen[], others: readonly Seen[], until: number): boolean {
  const isShort = ({ range }: Seen): boolean => range.to > until;
  if (sure.some(isShort)) return through === until;
  const last = Math.max(...sure.map(({ range }) => range.to));
  const isEnd = (seen: Seen): boolean => through === (isShort(seen) ? until : seen.range.to);
  return through >= last && [...sure, ...others].some(isEnd);
}

function checkValues({ question }: Answered, facts: Facts, oracle: Oracle, seen: Seen): void {
  const { path, given, group, range } = seen;
  for (const name of question.fields) {
    const span = facts.spanOf(seen, name);
    const isStored = question.spec.measures[name]!.stored;
    if (given.complete && isStored && span.upTo !== null && span.upTo < range.to)
      throw new Error(`${join(path, name)} is said to be complete, through ${iso(span.upTo)} only`);
    const problem = wrong(question.spec, name, given[name] ?? null, oracle.values(span, group));
    if (problem !== null)
      throw new Error(`${join(path, problem)}, at ${iso(range.from)} ${JSON.stringify(group)}`);
  }
}

function checkGrowth({ question }: Answered, facts: Facts, oracle: Oracle, seen: Seen, before: Seen): void {
  const { given, group, range } = seen;
  for (const name of growing(question)) {
    const value: unknown = given.growth[name];
    const [now, then] = [seen, before].map((each) => oracle.values(facts.spanOf(each, name), group)[name]);
    const right = given.complete && before.given.complete ? growth(now, then) : null;
    // both numbers are known to 1e-9
    const tolerance = (1e-9 * (Math.abs(Number(now)) + Math.abs(Number(then)))) / Math.abs(Number(then));
    const isRight =
      right === null || typeof value !== "number" ? value === right : Math.abs(value - right) <= tolerance;
    if (!isRight)
      throw new Error(
        `growth of ${name} is ${String(value)} instead of ${String(right)}, at ${iso(range.from)}`,
      );
  }
}

function growth(now: unknown, then: unknown): number | null {
  if (typeof now !== "number" || typeof then !== "number" || then === 0) return null;
  return (now - then) / Math.abs(then);
}

/** Those of the page in the order asked, and how many there are. */
function checkGroups(
  { question, given, offset }: Answered,
  listings: readonly Span[],
  oracle: Oracle,
  insights: readonly Seen[],
): void {
  const { dimensions, first } = question.by!;
  const nodes = insights.filter(({ path }) => path === "nodes");
  const possible = listings.map((span) => oracle.groups(span));
  const all = possible.find((groups) => groups.length === nodes.length) ?? possible[0]!;
  const shown = (groups: readonly Values[]): string =>
    JSON.stringify(groups.map((group) => dimensions.map((each) => group[each] ?? null)));
  expectSame("groups", shown(nodes.map(({ group }) => group)), shown(all.slice(offset, offset + first)));
  if (given.totalCount !== null) expectSame("totalCount", given.totalCount, all.length);
  expectSame("hasNextPage", given.pageInfo.hasNextPage, all.length > offset + first);
}

function expectSame<T>(what: string, given: T, right: T, show: (value: T) => string = String): void {
  if (given !== right) throw new Error(`${what} is ${show(given)} instead of ${show(right)}`);
}

const iso = (at: number): string => (Number.isFinite(at) ? new Date(at).toISOString() : String(at));
