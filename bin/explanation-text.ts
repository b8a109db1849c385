/** The plan of a query for a terminal. */
import type {
  AskedFields,
  ExplainedFields,
  ExplainedGroups,
  StoredFields,
} from "../src/loaders/explain-record.ts";
import type { ExplainedStatement, Explanation } from "../src/loaders/explain.ts";

/** The plan, and the fields that have none. */
export interface ExplainedQuery extends Explanation {
  readonly errors: readonly { readonly path: string; readonly code: string; readonly message: string }[];
}

/** Longer lists of keys are cut. */
const shownKeys = 10;
/** Keys of one BatchGetItem. */
const batchKeys = 100;

export function explanationText(plan: ExplainedQuery): string {
  return [
    ...plan.groups.map(groupsText),
    ...plan.fields.map(fieldsText),
    ...plan.statements.map(statementText),
    totalText(plan),
    ...plan.errors.map(({ path, code, message }) => `${path || "The query"}: ${code}: ${message}`),
  ].join("\n\n");
}

/** What its groups are asked for is known when they are. */
function groupsText({
  path,
  product,
  dimensions,
  from,
  to,
  rollup,
  reason,
  advice,
}: ExplainedGroups): string {
  const found =
    rollup === null
      ? [
          "  groups and their measures: ATHENA, as one question of a statement; series and previous of each when it is known",
          `    because ${reason}`,
          ...advice.map((each) => `    -> ${each}`),
        ]
      : [
          `  groups: the keys of rollup ${rollup} that have events; below, the first by name stand for those that lead`,
        ];
  return [`${path} (${product}) by ${dimensions.join(", ")}, [${from}, ${to})`, ...found].join("\n");
}

function fieldsText(each: ExplainedFields): string {
  const ranges = each.ranges === 1 ? "" : `, ${each.ranges.toLocaleString("en")} ranges`;
  return [
    `${each.path} (${each.product}), [${each.from}, ${each.to})${ranges}`,
    `  ${each.fields.join(", ")}: ${each.source ?? "asked of nobody, as the range holds nothing that is covered"}`,
    ...(each.stored ? storedLines(each.stored) : []),
    ...(each.asked ? askedLines(each.asked) : []),
  ].join("\n");
}

function storedLines({ rollup, buckets, keys }: StoredFields): string[] {
  const pieces = buckets.map(({ grain, count, firstPeriod, lastPeriod }) => {
    const periods = firstPeriod === lastPeriod ? firstPeriod : `${firstPeriod} … ${lastPeriod}`;
    return `${counted(count, "bucket")} by ${grain} of ${periods}`;
  });
  const shown = keys.length > shownKeys ? [...keys.slice(0, shownKeys - 1), "…", keys.at(-1)!] : keys;
  return [
    `    rollup ${rollup}: ${pieces.join(", ") || "no bucket"}`,
    `    ${counted(keys.length, "item")}${keys.length === 0 ? ": these periods hold no events" : ""}`,
    ...shown.map((key) => `      ${key}`),
  ];
}

function askedLines({ statements, reason, advice }: AskedFields): string[] {
  return [
    `    statement ${statements.join(", ")}`,
    `    because ${reason}`,
    ...advice.map((each) => `    -> ${each}`),
  ];
}

function statementText({ database, sql, parameters, estimatedBytes }: ExplainedStatement, i: number): string {
  return [
    `Statement ${i + 1}, database ${database}, about ${megabytes(estimatedBytes)} to scan:`,
    ...sql.split("\n").map((line) => `  ${line}`),
    ...(parameters.length === 0 ? [] : [`  with ${parameters.join(", ")}`]),
  ].join("\n");
}

function totalText({ segments, liveItems, statements }: ExplainedQuery): string {
  const calls = Math.ceil((segments.length + liveItems.length) / batchKeys);
  return `In all: ${counted(segments.length, "segment")}, ${counted(liveItems.length, "live item")} (${counted(calls, "call")} of BatchGetItem), ${counted(statements.length, "statement")}.`;
}

const counted = (count: number, what: string): string =>
  `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e5 ? 3 : 1)} MB`;
