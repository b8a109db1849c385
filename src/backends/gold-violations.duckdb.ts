/** Buckets of gold that break a rule, found in DuckDB: counted in one scan per rollup, and the first few shown. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import { expectationText, namesIn, rollupsOf } from "../model/expectation.ts";
import { bracedColumn } from "../model/expression.ts";
import { componentType, goldColumns, goldKeyColumns, spansPartitions } from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import { floorTo, type Instant } from "../model/time.ts";
import { measureSql } from "./gold-measures.duckdb.ts";
import { cellSql, name, ordinals, shownDimension, text } from "./gold-rows.duckdb.ts";
import type { BrokenBucket, GoldRule, Violation } from "./gold.ts";

const shownBuckets = 5;

export async function violations(
  connection: DuckDBConnection,
  product: Product,
  table: string,
  rules: readonly GoldRule[],
  rollups: readonly Rollup[],
  until: Instant,
): Promise<readonly Violation[]> {
  const found: Violation[] = [];
  for (const rollup of rollups) {
    const buckets: Buckets = { product, rollup, sql: bucketsSql(product, table, rollup), until };
    const applied = rules.filter((rule) => applies(product, rule, rollup));
    const counts = await countBroken(connection, buckets, applied);
    for (const [i, rule] of applied.entries())
      if (counts[i]! > 0)
        found.push({
          rule,
          rollup,
          buckets: counts[i]!,
          examples: await examples(connection, buckets, rule),
        });
  }
  return found;
}

/** The buckets of one rollup as a subquery: `begins` (epoch ms), dimensions `d0` … by position in the rollup, components `c0` …. */
interface Buckets {
  readonly product: Product;
  readonly rollup: Rollup;
  readonly sql: string;
  readonly until: Instant;
}

function bucketsSql(product: Product, table: string, rollup: Rollup): string {
  const columns = goldColumns(product);
  const at = `epoch_ms(CAST(${name(columns.bucket)} AS TIMESTAMP)) AS begins`;
  const keys = goldKeyColumns(product, rollup).dimensions.map(({ name: column, type }, i) =>
    type === "datetime" ? `CAST(${name(column)} AS TIMESTAMP) AS d${i}` : `${name(column)} AS d${i}`,
  );
  const parts = spansPartitions(product, rollup);
  const merged = { add: "sum", min: "min", max: "max" } as const;
  const components = product.components.map(({ merge }, i) => {
    const column = name(columns.components[i]!);
    return `${parts ? `${merged[merge]}(${column})` : column} AS c${i}`;
  });
  const grouped = parts ? ` GROUP BY ${ordinals(keys.length + 1)}` : "";
  return `(SELECT ${[at, ...keys, ...components].join(", ")} FROM ${table} WHERE ${name(columns.rollup)} = ${text(rollup.name)}${grouped})`;
}

function applies(product: Product, rule: GoldRule, rollup: Rollup): boolean {
  return rule.kind === "representable" || rollupsOf(product, rule).includes(rollup);
}

/** An sql expectation is counted by itself, so that one that cannot be evaluated is named. */
async function countBroken(
  connection: DuckDBConnection,
  buckets: Buckets,
  rules: readonly GoldRule[],
): Promise<readonly number[]> {
  const counts = new Map<GoldRule, number>();
  const simple = rules.filter(({ kind }) => kind !== "sql");
  const alone = rules.filter(({ kind }) => kind === "sql").map((rule) => [rule]);
  for (const some of [simple, ...alone]) {
    if (some.length === 0) continue;
    const counted = some.map((rule) => `count(*) FILTER (WHERE ${brokenSql(buckets, rule)})`);
    const sql = `SELECT ${counted.join(", ")} FROM ${buckets.sql}`;
    const result = await connection.runAndReadAll(sql).catch((error: unknown) => {
      throw refused(buckets.product, some[0]!, error);
    });
    for (const [i, cell] of result.getRows()[0]!.entries()) counts.set(some[i]!, Number(cell));
  }
  return rules.map((rule) => counts.get(rule)!);
}

/** True of a bucket that breaks the rule; false or null of any other. */
function brokenSql(buckets: Buckets, rule: GoldRule): string {
  if (rule.kind === "representable") return `NOT (${representableSql(buckets)})`;
  return `begins < ${floorTo(buckets.until, buckets.rollup.finest)} AND NOT (${conditionSql(buckets, rule)})`;
}

/** Keys too: no segment can be stored under another. */
function representableSql({ product, rollup }: Buckets): string {
  const values = product.components.map(
    (component, i) =>
      `coalesce(${finiteSql(componentType(product.source, component), `c${i}`)}, ${component.merge !== "add"})`,
  );
  const keys = goldKeyColumns(product, rollup).dimensions.flatMap(({ type }, i) =>
    type === "int" || type === "float" ? [`coalesce(${finiteSql(type, `d${i}`)}, true)`] : [],
  );
  return [...values, ...keys].join(" AND ");
}

function finiteSql(type: "int" | "float", value: string): string {
  const safe = Number.MAX_SAFE_INTEGER;
  return type === "int" ? `${value} BETWEEN -${safe} AND ${safe}` : `isfinite(${value})`;
}

function conditionSql(buckets: Buckets, rule: Exclude<GoldRule, { kind: "representable" }>): string {
  switch (rule.kind) {
    case "notNull":
      return `${nameSql(buckets, rule.name)} IS NOT NULL`;
    case "between": {
      const value = nameSql(buckets, rule.measure);
      const { min, max } = rule;
      const sides = [
        ...(min === null ? [] : [`${value} >= ${doubleSql(min)}`]),
        ...(max === null ? [] : [`${value} <= ${doubleSql(max)}`]),
      ];
      return sides.join(" AND ");
    }
    case "sql":
      // the line break ends a comment in the text
      return `${rule.text.replaceAll(bracedColumn, (_, used: string) => nameSql(buckets, used))}\n`;
  }
}

const doubleSql = (value: number): string => `${value.toExponential()}::DOUBLE`;

/** A dimension that the rollup has, or a stored measure. */
function nameSql({ product, rollup }: Buckets, used: string): string {
  const position = rollup.dimensions.indexOf(used);
  if (position >= 0) return `d${position}`;
  return measureSql(product, product.measure(used).expression, (i) => `c${i}`);
}

async function examples(
  connection: DuckDBConnection,
  buckets: Buckets,
  rule: GoldRule,
): Promise<BrokenBucket[]> {
  const { product, rollup } = buckets;
  const { dimensions } = goldKeyColumns(product, rollup);
  const keys = dimensions.map(({ type }, i) =>
    type === "datetime" ? `epoch_ms(d${i})` : cellSql({ type }, `d${i}`),
  );
  const shown = shownValues(buckets, rule);
  const result = await connection.runAndReadAll(
    `SELECT ${["begins", ...keys, ...shown.map(({ sql }) => sql)].join(", ")} FROM ${buckets.sql}
WHERE ${brokenSql(buckets, rule)} ORDER BY ${ordinals(keys.length + 1)} LIMIT ${shownBuckets}`,
  );
  return result.getRows().map(([at, ...cells]) => ({
    bucket: Number(at),
    key: dimensions.map((column, i) => shownDimension(column, cells[i])),
    values: Object.fromEntries(
      shown.flatMap(({ as, isShown }, i) => {
        const value = shownValue(cells[dimensions.length + i]);
        return isShown(value) ? [[as, value]] : [];
      }),
    ),
  }));
}

type Shown = string | number | null;

/** The measures that the rule looks at (dimensions stand in the key); of unrepresentable components those alone. */
function shownValues(
  buckets: Buckets,
  rule: GoldRule,
): { as: string; sql: string; isShown: (value: Shown) => boolean }[] {
  const { product, rollup } = buckets;
  if (rule.kind === "representable")
    return goldColumns(product).components.map((column, i) => ({
      as: column,
      sql: `c${i}`,
      isShown: (value) => (value === null ? product.components[i]!.merge === "add" : !Number.isFinite(value)),
    }));
  const measures = namesIn(rule).filter((used) => !rollup.dimensions.includes(used));
  return measures.map((used) => ({ as: used, sql: nameSql(buckets, used), isShown: () => true }));
}

/** An integer that JavaScript cannot hold is shown as text. */
function shownValue(cell: unknown): Shown {
  if (cell === null || typeof cell === "number") return cell;
  const number = Number(cell);
  return Number.isSafeInteger(number) ? number : (cell as bigint).toString();
}

function refused(product: Product, rule: GoldRule, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  const what = rule.kind === "representable" ? "Gold" : expectationText(rule);
  return new SluiceError(
    "REFRESH",
    `An sql expectation is a condition that DuckDB can evaluate in every bucket. ${what} of "${product.name}" is not: ${reason}. Nothing was published.`,
    { cause: error },
  );
}
