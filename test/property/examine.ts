/** Asks random questions of a gateway over HTTP, many in one request, and holds each answer to the truth. */
import { ask, data, type Json } from "../e2e/client.ts";
import { type Answered, check, type ProvenanceEntry } from "./check.ts";
import type { History } from "./history.ts";
import { asField, asQuery, type Features, type Question, randomQuestion } from "./question.ts";
import type { Random } from "./random.ts";
import type { Table } from "./rows.ts";
import type { View } from "./sources.ts";
import { type Spec, specs } from "./spec.ts";
import { sqlOf, type Truth } from "./truth.ts";

export interface Examined {
  readonly url: string;
  readonly truth: Truth<Table>;
  readonly history: Pick<History, "span" | "liveFrom" | "ahead">;
  readonly features: Features;
}

const perRequest = 14;

export async function featuresOf(url: string): Promise<Features> {
  const { query, insight } = await data(
    url,
    `{ query: __type(name: "Query") { fields { name } } insight: __type(name: "SightingActivity") { fields { name } } }`,
  );
  const has = (type: Json, name: string): boolean => type.fields.some((field: Json) => field.name === name);
  return { groups: has(query, "sightingActivityBy"), previous: has(insight, "previous") };
}

/** Throws for the first wrong answer: the question to paste, what was answered, what is right, and how that is known. */
export async function examine(examined: Examined, random: Random, count: number): Promise<void> {
  const views = await viewsOf(examined);
  for (let asked = 0; asked < count; asked += perRequest) {
    const questions = Array.from({ length: Math.min(perRequest, count - asked) }, () =>
      randomQuestion(random, examined.history.span, examined.features),
    );
    const first = questions.map((question) => ({ question, after: null, offset: 0 }));
    const second = await examineTogether(examined, views, first);
    if (second.length > 0) await examineTogether(examined, views, second);
  }
}

type Views = ReadonlyMap<Spec, View>;

/** One page of a question; of one without groups there is no other. */
interface Page {
  readonly question: Question;
  readonly after: string | null;
  readonly offset: number;
}

async function examineTogether(
  { url, truth }: Examined,
  views: Views,
  pages: readonly Page[],
): Promise<readonly Page[]> {
  const answers = await answersTo(url, views, pages);
  for (const [i, answered] of answers.entries()) {
    const found =
      answered instanceof Error ? { what: answered.message, sql: "" } : await check(truth, answered);
    if (found === null) continue;
    throw new Error(await report({ url, truth }, views, pages[i]!, found, answered));
  }
  return answers.flatMap((answered, i) => nextPage(pages[i]!, answered as Answered) ?? []);
}

function nextPage({ question, offset }: Page, { given }: Answered): Page | null {
  if (question.by === null || !given.pageInfo.hasNextPage) return null;
  return { question, after: given.pageInfo.endCursor, offset: offset + question.by.first };
}

/** All in one request. */
async function answersTo(url: string, views: Views, pages: readonly Page[]): Promise<(Answered | Error)[]> {
  const fields = pages.map(({ question, after }, i) => asField(question, `q${i}`, after));
  const { data: given, errors, extensions } = await ask(url, `{\n${fields.join("\n")}\n}`);
  if (!given) throw new Error(`${JSON.stringify(errors)}\n${fields.join("\n")}`);
  return pages.map(({ question, offset }, i) => {
    const error = errors?.find(({ path }) => path?.[0] === `q${i}`);
    if (error !== undefined) return new Error(JSON.stringify(error));
    const provenance = (extensions.sluice.provenance as ProvenanceEntry[]).flatMap((entry) => {
      const [first, ...rest] = entry.path.split(".");
      return first === `q${i}` ? [{ ...entry, path: rest.join(".") }] : [];
    });
    return { question, offset, given: given[`q${i}`], provenance, view: views.get(question.spec)! };
  });
}

async function report(
  { url, truth }: Pick<Examined, "url" | "truth">,
  views: Views,
  page: Page,
  found: { what: string; sql: string },
  answered: Answered | Error,
): Promise<string> {
  const [alone] = await answersTo(url, views, [page]);
  const again = alone instanceof Error ? alone.message : ((await check(truth, alone!))?.what ?? "right");
  const rows = found.sql === "" ? [] : await truth.rows(found.sql);
  return [
    found.what,
    `asked alone: ${again}`,
    asQuery(page.question, page.after),
    ...(answered instanceof Error
      ? []
      : [`answer: ${short(answered.given)}`, `provenance: ${short(answered.provenance)}`]),
    `view: ${JSON.stringify(views.get(page.question.spec), (_, value: unknown) => (typeof value === "number" ? new Date(value).toISOString() : value))}`,
    `truth: ${short(rows)}`,
    found.sql,
  ].join("\n");
}

const short = (value: unknown): string => JSON.stringify(value).slice(0, 3_000);

/** What is covered and has come, as the catalogue says it; and that this is no promise which what follows would break. */
async function viewsOf({ url, truth, history }: Examined): Promise<Views> {
  const views = new Map<Spec, View>();
  for (const spec of specs) {
    const { product } = await data(url, `{ product(name: "${spec.name}") { coverage { from to liveTo } } }`);
    const { from, to, liveTo } = product.coverage;
    // what is in the lake beyond the coverage, and did not come by the stream, nobody knows yet
    const known = `"at" < ${sqlOf(to)}${spec.streamed ? ` OR "at" >= ${sqlOf(new Date(history.liveFrom).toISOString())}` : ""}`;
    const [{ newest, oldest } = {}] = await truth.rows(
      `SELECT max("at") FILTER (WHERE ${known}) AS newest, min("at") AS oldest FROM ${spec.table}`,
    );
    const until = Math.max(Date.parse(to), liveTo === null ? 0 : Date.parse(liveTo));
    const broken =
      spec.streamed && history.ahead.find(({ at, arrival }) => at < until && at >= arrival - 7_200_000);
    if (broken)
      throw new Error(
        `${spec.name} is known up to ${liveTo ?? to}, and ${JSON.stringify(broken)} is to come`,
      );
    if (String(oldest) < from)
      throw new Error(`${spec.name} is covered from ${from}, and ${String(oldest)} is older`);
    views.set(spec, {
      coverage: { from: Date.parse(from), until: Date.parse(to) },
      liveTo: liveTo === null ? null : Date.parse(liveTo),
      liveFrom: history.liveFrom,
      newest: newest == null ? null : Date.parse(String(newest)),
    });
  }
  return views;
}
