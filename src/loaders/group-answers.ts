/** What Athena says of groups: the ranking of all of them, in windows that pages share; or the ad-hoc fields of a page. */
import { type Aggregate, aggregateId, countComponent } from "../model/expression.ts";
import { aggregatesBehind, readingOf } from "../model/fold.ts";
import type { DimensionKey } from "../model/layout.ts";
import { type Period, shiftBack } from "../model/period.ts";
import type { Measure, Product } from "../model/product.ts";
import type { Range } from "../model/time.ts";
import type { AdHocGroup, AdHocGroups } from "../sql/grouped-questions.ts";
import type { AdHocAnswer } from "./ad-hoc/answers.ts";
import type { FoundGroups, PosedGroups } from "./groups.ts";
import { assertKnown, columnsBehind } from "./known-columns.ts";
import type { Workings } from "./workings.ts";

/** What Athena said of one insight, by aggregate. Undefined: no event. */
export interface AskedValues {
  readonly found: ReadonlyMap<string, number | null> | undefined;
  readonly queryId: string;
  readonly bytesScanned: number;
}

/** What is asked for all groups of a page at once, as one of them sees it. */
export interface GroupValues {
  /** The groups are Athena's: so is what was asked for with them, stored or not, and all of it ends at the coverage. */
  readonly fromAthena: boolean;
  /** Null where the group asks for itself. */
  of(measure: Measure): Promise<AskedValues> | null;
  /** Of the same group one period earlier. */
  before(period: Period): GroupValues;
}

/** Ranks are asked for by the thousand, so that one answer serves many pages. */
const window = 1_000;

/** Throws where Athena cannot answer: for columns that it does not know yet. */
export function assertAskable({ product, where, question, order, snapshot }: PosedGroups): void {
  const read = [
    ...question.dimensions,
    ...where.map(({ column }) => column),
    ...(order === null ? [] : columnsBehind(product, order.measure)),
  ];
  assertKnown(product, snapshot.serving, read, "A group");
}

/** The page as Athena ranks it, with the measures that its groups will be asked for. */
export async function askedPage(workings: Workings, posed: PosedGroups): Promise<FoundGroups> {
  const { product, question, order, snapshot, offset } = posed;
  const end = offset + question.first;
  const measures = question.measures
    .map((name) => product.measure(name))
    .filter((measure) =>
      columnsBehind(product, measure).every((each) => snapshot.serving.isCatalogued(each)),
    );
  const wanted = order === null ? measures : [order.measure, ...measures];
  const aggregates = aggregatesOf(product, wanted);
  const by = order && {
    by: readingOf(product, order.measure.expression),
    direction: order.direction,
  };
  const windows: AdHocGroups[] = [];
  for (let from = Math.floor(offset / window) * window; from < end; from += window)
    windows.push({ kind: "ranked", dimensions: question.dimensions, order: by, from, to: from + window });
  const answers = await Promise.all(windows.map((groups) => ask(workings, posed, groups, aggregates)));
  const first = Math.floor(offset / window) * window;
  const page = answers
    .flatMap((answer) => (answer?.groups.groups ?? []).map((group) => ({ group, answer: answer! })))
    .slice(offset - first, end - first);
  const total = answers[0]?.groups.total ?? 0;
  const keys = page.map(({ group }) => group.key);
  const before = valuesBefore(workings, posed, keys);
  return {
    kind: "found",
    groups: keys,
    values: (place) => {
      const { group, answer } = page[place]!;
      return {
        fromAthena: true,
        of: (measure) => (measures.includes(measure) ? Promise.resolve(valuesOf(group, answer)) : null),
        before: (period) => before(period)(place),
      };
    },
    hasNext: end < total,
    total,
  };
}

/** So many groups are asked for in one question: with texts of any length, it fits into a statement. */
const mostListed = 250;

/** The ad-hoc fields of a page whose groups are known: each asked for all of them at once. */
export function listedValues(
  workings: Workings,
  posed: PosedGroups,
  keys: readonly DimensionKey[],
): FoundGroups["values"] {
  const lists: ReturnType<typeof valuesOfList>[] = [];
  for (let from = 0; from < keys.length; from += mostListed)
    lists.push(valuesOfList(workings, posed, keys.slice(from, from + mostListed)));
  const before = valuesBefore(workings, posed, keys);
  return (place) => ({
    ...lists[Math.floor(place / mostListed)]!(place % mostListed),
    before: (period) => before(period)(place),
  });
}

/** The same groups earlier: each period asked for once, whichever of them compares with it. */
function valuesBefore(
  workings: Workings,
  posed: PosedGroups,
  keys: readonly DimensionKey[],
): (period: Period) => FoundGroups["values"] {
  const asked = new Map<Period, FoundGroups["values"]>();
  return (period) => {
    const range = shiftBack(posed.range, period);
    const values = asked.get(period) ?? listedValues(workings, { ...posed, range }, keys);
    asked.set(period, values);
    return values;
  };
}

function valuesOfList(
  workings: Workings,
  posed: PosedGroups,
  keys: readonly DimensionKey[],
): (place: number) => Pick<GroupValues, "fromAthena" | "of"> {
  const { product, question } = posed;
  const groups: AdHocGroups = { kind: "listed", dimensions: question.dimensions, keys };
  const asked = new Map<Measure, Promise<ListedAnswer>>();
  const answerOf = (measure: Measure) => {
    const known =
      asked.get(measure) ?? ask(workings, posed, groups, aggregatesOf(product, [measure])).then(listed);
    asked.set(measure, known);
    return known;
  };
  return (place) => ({
    fromAthena: false,
    of: async (measure) => {
      const { answer, byKey } = await answerOf(measure);
      return valuesOf(byKey.get(JSON.stringify(keys[place])), answer);
    },
  });
}

interface ListedAnswer {
  readonly answer: AdHocAnswer;
  readonly byKey: ReadonlyMap<string, AdHocGroup>;
}

/** Asked only where the range meets the coverage. */
function listed(answer: AdHocAnswer | null): ListedAnswer {
  const groups = answer!.groups.groups;
  return {
    answer: answer!,
    byKey: new Map(groups.map((group) => [JSON.stringify(group.key), group])),
  };
}

function valuesOf(group: AdHocGroup | undefined, { queryId, bytesScanned }: AdHocAnswer) {
  return { found: group?.aggregates, queryId, bytesScanned };
}

/** Null where nothing of the range is covered. */
async function ask(
  workings: Workings,
  posed: PosedGroups,
  groups: AdHocGroups,
  aggregates: readonly Aggregate[],
): Promise<AdHocAnswer | null> {
  const { product, where, snapshot } = posed;
  const range = covered(posed);
  if (range.from >= range.to) return null;
  return workings.adHoc.load({
    source: product.source,
    question: { where, range, by: null, groups },
    aggregates,
    partitions: snapshot.partitions,
  });
}

function covered({ range, view: { coverage } }: PosedGroups): Range {
  return { from: Math.max(range.from, coverage.from), to: Math.min(range.to, coverage.until) };
}

/** Each once; a statement has at least one. */
function aggregatesOf(product: Product, measures: readonly Measure[]): Aggregate[] {
  const found = measures.flatMap(({ expression }) => aggregatesBehind(product, expression));
  const byId = new Map(found.map((aggregate) => [aggregateId(aggregate), aggregate]));
  return byId.size > 0 ? [...byId.values()] : [countComponent.aggregate];
}
