/**
 * A page of groups: which groups there are and in which order, from what is stored where all of them can be known, else
 * from Athena. Each becomes an insight of its own slice.
 */
import { measureReader } from "../model/fold.ts";
import { pinning } from "../model/filter.ts";
import type { DimensionKey } from "../model/layout.ts";
import type { Measure } from "../model/product.ts";
import type { GroupPage, GroupsQuestion } from "../schema/context.ts";
import {
  byRank,
  type Direction,
  groupOf,
  type GroupsPlan,
  knownLead,
  planGroups,
  type Ranked,
  ungrouped,
} from "../sql/plan-groups.ts";
import type { Pieces, UnstoredPlan } from "../sql/plan.ts";
import { askedPage, assertAskable, type GroupValues, listedValues } from "./group-answers.ts";
import { readCursor, writeCursor } from "./group-cursor.ts";
import { knownKeys, tooMany } from "./group-keys.ts";
import { insightId, isRead, type Posed, poseInsight } from "./insight.ts";
import type { SegmentPart } from "./segment-parts.ts";
import { resolveRange, type Sights } from "./sight.ts";
import { readState } from "./stored-state.ts";
import type { Workings } from "./workings.ts";

/** A grouped question with everything that answering it needs. */
export interface PosedGroups extends Pick<Posed, "product" | "where" | "range" | "view" | "snapshot"> {
  readonly question: GroupsQuestion;
  readonly order: { readonly measure: Measure; readonly direction: Direction } | null;
  /** Groups before the page. */
  readonly offset: number;
  /** It pages over an edition that has been replaced. */
  readonly isPast: boolean;
}

export interface FoundGroups {
  readonly kind: "found";
  readonly groups: readonly DimensionKey[];
  /** Of the group at that place of the page. */
  readonly values: (place: number) => GroupValues;
  readonly hasNext: boolean;
  /** Of all groups; null where it is not known. */
  readonly total: number | null;
}

export async function poseGroups(
  workings: Workings,
  sights: Sights,
  question: GroupsQuestion,
): Promise<GroupPage> {
  const { posed, stored } = await workings.gate.explore(() => explore(workings, sights, question));
  const found = stored.kind === "found" ? stored : await askedPage(workings, posed);
  return present(workings, posed, found);
}

/** Everything but Athena, which waits until no question explores any more. */
async function explore(workings: Workings, sights: Sights, question: GroupsQuestion) {
  const posed = await workings.gate.plan(() => pose(workings, sights, question));
  const { product, snapshot, isPast } = posed;
  try {
    const stored = await storedPage(workings, posed);
    workings.trace?.grouped(posed, stored);
    if (stored.kind === "unstored") assertAskable(posed);
    return { posed, stored };
  } finally {
    // what was swept meanwhile has read as nothing
    if (isPast) await sights.manifests.assertKept(product, snapshot.manifest);
  }
}

async function pose(workings: Workings, sights: Sights, question: GroupsQuestion): Promise<PosedGroups> {
  const { product, where, dimensions, after, range: asked } = question;
  const order = question.order && { ...question.order, measure: product.measure(question.order.measure) };
  if (after === null) {
    const sight = await sights.of(product);
    const range = resolveRange(product, sight, where, dimensions, asked);
    return { product, where, question, order, range, ...sight, offset: 0, isPast: false };
  }
  const { edition, from, to, offset } = readCursor(after, question, workings.scope);
  const sight = await sights.at(product, edition);
  const isPast = sight !== (await sights.of(product));
  return { product, where, question, order, range: { from, to }, ...sight, offset, isPast };
}

async function storedPage(workings: Workings, posed: PosedGroups): Promise<FoundGroups | UnstoredPlan> {
  const { product, where, question, range, view, snapshot, order, offset } = posed;
  const plan = planGroups(snapshot.serving, where, question.dimensions, range, view);
  if (plan.kind === "unstored") return plan;
  if (order !== null && !isRead(snapshot, order.measure, plan))
    return { kind: "unstored", reason: `"${order.measure.name}", which orders the groups, is not stored` };
  const known = await knownKeys(workings, product, snapshot, plan);
  if (known.kind === "unstored") return known;
  const groups = groupsOf(plan, known.keys);
  const ranked =
    order === null && known.exact
      ? groups.map(({ group }) => ({ group, value: null }))
      : await readGroups(workings, posed, plan, groups);
  if ("kind" in ranked) return ranked;
  const sorted = [...ranked].sort(byRank(order?.direction ?? "ASC"));
  const end = offset + question.first;
  if (!known.whole) {
    const leading = knownLead(plan, sorted, order?.direction ?? null);
    if ("kind" in leading) return leading;
    if (end > leading.lead)
      return { kind: "unstored", reason: `the leaderboards tell the first ${leading.lead} groups` };
  }
  const page = sorted.slice(offset, end).map(({ group }) => group);
  return {
    kind: "found",
    groups: page,
    values: listedValues(workings, posed, page),
    hasNext: !known.whole || end < sorted.length,
    total: known.whole ? sorted.length : null,
  };
}

interface Group {
  readonly group: DimensionKey;
  readonly keys: readonly DimensionKey[];
}

function groupsOf(plan: GroupsPlan, keys: readonly DimensionKey[]): Group[] {
  const groups = new Map<string, { group: DimensionKey; keys: DimensionKey[] }>();
  for (const key of keys) {
    const group = groupOf(plan, key);
    const id = JSON.stringify(group);
    const known = groups.get(id);
    if (known === undefined) groups.set(id, { group, keys: [key] });
    else known.keys.push(key);
  }
  return [...groups.values()];
}

/** The groups that have events, each with the measure that it is ordered by. */
async function readGroups(
  workings: Workings,
  posed: PosedGroups,
  plan: GroupsPlan,
  groups: readonly Group[],
): Promise<Ranked[] | UnstoredPlan> {
  const { product, snapshot, order, question } = posed;
  const { rollup, editions } = plan;
  const parts = await snapshot.segments(rollup, editions);
  const pieces = piecesOf(groups, plan, parts);
  // the page's own insights count again
  const page = Math.min(question.first, groups.length) * (parts.length + plan.live.length);
  if (!workings.reads.covers(pieces + page)) return tooMany(`${pieces} pieces of segments`);
  workings.reads.take(pieces);
  const { scope, segments: loader } = workings;
  const options = { product, serving: snapshot.serving, scope, loader };
  const valueOf = order === null ? () => null : measureReader(product, order.measure.expression);
  const read = await Promise.all(
    groups.map(async ({ group, keys }) => {
      const state = await readState(options, { ...plan, kind: "stored", keys }, parts);
      return { group, events: state[0] ?? 0, value: valueOf(state) };
    }),
  );
  // who only explains has read nothing: each group stands for one that may be there
  return workings.trace ? read : read.filter(({ events }) => events > 0);
}

function piecesOf(groups: readonly Group[], { live }: Pieces, parts: readonly SegmentPart[]): number {
  return groups.reduce((sum, { keys }) => sum + keys.length, 0) * (parts.length + live.length);
}

async function present(workings: Workings, posed: PosedGroups, found: FoundGroups): Promise<GroupPage> {
  const { question, offset, snapshot, range } = posed;
  const { groups, values, hasNext, total } = found;
  const edition = snapshot.manifest.edition;
  return {
    nodes: await workings.gate.plan(() =>
      Promise.all(groups.map((group, place) => poseGroup(workings, posed, group, values(place)))),
    ),
    cursors: groups.map((_, place) =>
      writeCursor({ edition, ...range, offset: offset + place + 1 }, question, workings.scope),
    ),
    hasNextPage: hasNext,
    hasPreviousPage: offset > 0,
    totalCount: total,
  };
}

function poseGroup(workings: Workings, posed: PosedGroups, group: DimensionKey, values: GroupValues) {
  const { product, question, range, view, snapshot } = posed;
  const where = [...ungrouped(question.where, question.dimensions), ...pinning(question.dimensions, group)];
  const id = insightId(product, where, question.range);
  return poseInsight(
    workings,
    { product, where, range, id, view, snapshot, series: null },
    { group: values },
  );
}
