/** One DuckDB query per question over the events that count for its answer. Imports nothing of `src`. */
import type { Question } from "./question.ts";
import type { Range } from "./sources.ts";
import type { MeasureSpec, Spec } from "./spec.ts";
import { type Cell, sqlOf, type Truth } from "./truth.ts";
import { whereSql } from "./where.ts";

/** The events of a range before `upTo` (null: all), but those in the gap. */
export interface Span extends Range {
  readonly upTo: number | null;
  readonly gap: Range | null;
}

export type Values = Readonly<Record<string, Cell>>;

/** What must be answered over each span, known once the query has run. */
export class Oracle {
  readonly #question: Question;
  readonly #spans = new Map<string, { readonly span: Span; readonly id: number }>();
  #rows = new Map<number, Values[]>();
  #nothing: Values = {};
  sql = "";

  constructor(question: Question) {
    this.#question = question;
  }

  /** Before the query runs. */
  add(span: Span): void {
    const key = JSON.stringify(span);
    if (!this.#spans.has(key)) this.#spans.set(key, { span, id: this.#spans.size });
  }

  async ask(truth: Truth): Promise<void> {
    const spans = [...this.#spans.values()].map(({ span }) => span);
    this.sql = spansSql(this.#question, spans);
    for (const { span, ...values } of await truth.rows(this.sql)) {
      if (span === -1) this.#nothing = values;
      else this.#rows.set(Number(span), [...(this.#rows.get(Number(span)) ?? []), values]);
    }
  }

  /** In the order asked for; one, with the values of nothing where there is nothing, of a question without groups. */
  groups(span: Span): readonly Values[] {
    return this.#rows.get(this.#spans.get(JSON.stringify(span))!.id) ?? [];
  }

  /** Of one group; of the whole span without. */
  values(span: Span, group: Values = {}): Values {
    const isAsked = (row: Values): boolean =>
      Object.entries(group).every(([name, value]) => row[name] === value);
    return this.groups(span).find(isAsked) ?? this.#nothing;
  }
}

function spansSql(question: Question, spans: readonly Span[]): string {
  const { spec, where, fields, by } = question;
  const measures = measuresSql(spec, fields);
  const groups = (by?.dimensions ?? []).map((each) => `"${each}"`);
  const values = spans.map(({ from, to, upTo, gap }, i) => {
    const edges = [from, upTo === null ? to : Math.min(upTo, to), gap?.from ?? to, gap?.to ?? to];
    return `(${i}, ${edges.map((at) => sqlOf(iso(at))).join(", ")})`;
  });
  return `SELECT span, ${[...groups, measures].join(", ")}
FROM (VALUES ${values.join(", ")}) AS spans(span, a, b, gap_from, gap_to)
JOIN (SELECT * FROM ${spec.table} WHERE ${whereSql(where)}) AS events ON "at" >= a AND "at" < b AND NOT ("at" >= gap_from AND "at" < gap_to)
GROUP BY ${["span", ...groups].join(", ")}
UNION ALL BY NAME SELECT -1 AS span, ${measures} FROM ${spec.table} WHERE FALSE
ORDER BY ${["span", ...orderSql(question)].join(", ")}`;
}

/** By the measure, then by the dimensions in the order asked, by code point; null comes last. */
function orderSql({ by }: Question): string[] {
  if (by === null) return [];
  const { orderBy, dimensions } = by;
  const first = orderBy === null ? [] : [`"${orderBy.measure}" ${orderBy.direction} NULLS LAST`];
  return [...first, ...dimensions.map((each) => `"${each}" ASC NULLS LAST`)];
}

const iso = (at: number): string => new Date(at).toISOString();

function measuresSql({ measures }: Spec, fields: readonly string[]): string {
  return fields
    .flatMap((name) => {
      const measure = measures[name]!;
      return "sql" in measure
        ? [`${measure.sql} AS "${name}"`]
        : [`${measure.low} AS "${name} low"`, `${measure.high} AS "${name} high"`];
    })
    .join(", ");
}

/** What a measure should be, where it is not; else null. */
export function wrong({ measures }: Spec, name: string, given: Cell, truth: Values): string | null {
  const measure = measures[name]!;
  if (isRight(measure, given, truth, name)) return null;
  const right = "sql" in measure ? truth[name] : `${truth[`${name} low`]} to ${truth[`${name} high`]}`;
  return `${name} is ${String(given)} instead of ${String(right)}`;
}

function isRight(measure: MeasureSpec, value: Cell, truth: Values, name: string): boolean {
  if ("sql" in measure) return measure.float ? isNear(value, truth[name]!) : value === truth[name];
  const [low, high] = [truth[`${name} low`]!, truth[`${name} high`]!];
  return low === null ? value === null : value !== null && value >= low && value <= high;
}

/** To 1e-9 relative. */
export function isNear(value: Cell, truth: Cell): boolean {
  if (typeof value !== "number" || typeof truth !== "number") return value === truth;
  return Math.abs(value - truth) <= 1e-9 * Math.abs(truth);
}
