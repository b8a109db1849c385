/**
 * A thousand hostile texts through every argument that takes text, over HTTP: no statement changes, each text is one
 * literal in one parameter, and the answers are those of DuckDB with bound values, over rows that hold such texts.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, ask, type Json } from "../e2e/client.ts";
import { literalOf } from "../trino/parameter.ts";
import { callOf, readSchema, type Schema, type Slot, textSlots } from "./slots.ts";
import { hostileTexts, isCarried } from "./texts.ts";
import { type Asked, startWorld, type World } from "./world.ts";

let world: World;
let schema: Schema;

beforeAll(async () => {
  world = await startWorld();
  schema = await readSchema(world.url);
});
afterAll(() => world?.close());

const timeout = 300_000; // of what takes a few seconds on an idle machine

const carried = hostileTexts.filter(isCarried);
const uncarried = hostileTexts.filter((text) => !isCarried(text));

/** The columns of letters that hold text; the first and the last are keys of rollups, the last is looked up. */
const columns = ["sender", "subject", "alias"];
/** What an operator of StringFilter means, of a column and a bound text, or a bound list of texts. */
const meanings: Readonly<Record<string, (column: string, bound: string) => string>> = {
  eq: (column, bound) => `${column} = ${bound}`,
  ne: (column, bound) => `${column} <> ${bound}`,
  startsWith: (column, bound) => `starts_with(${column}, ${bound})`,
  in: (column, bound) => `list_contains(${bound}, ${column})`,
  notIn: (column, bound) => `${column} IS NOT NULL AND NOT list_contains(${bound}, ${column})`,
};

type Handling = "filter" | "search" | "read as another scalar" | "root argument" | "undecided";

function handlingOf({ id, type, field, argument }: Slot): Handling {
  if (type === "StringFilter" && field in meanings) return "filter";
  if (id === "Dimension.values(search)") return "search";
  if (type === "DateTimeFilter" || type === "TimeRange") return "read as another scalar";
  if (argument !== null && Object.values(schema.roots).includes(type)) return "root argument";
  return "undecided";
}

function slotsOf(handling: Handling): Slot[] {
  return textSlots(schema).filter((slot) => handlingOf(slot) === handling);
}

describe("the texts", () => {
  it("are a thousand, and the lake holds hundreds of them in every column", async () => {
    expect(new Set(hostileTexts).size).toBe(1_000);
    expect(uncarried.length).toBeGreaterThan(20);
    for (const column of columns) {
      const sql = `SELECT count(DISTINCT ${column}) AS n FROM letters WHERE list_contains($1, ${column})`;
      expect(Number((await world.truth(sql, [carried]))[0]!["n"])).toBeGreaterThan(200);
    }
  });

  it("have a test below for every place of the schema that takes text", () => {
    expect(slotsOf("undecided")).toEqual([]);
    expect(
      slotsOf("filter")
        .map(({ field }) => field)
        .sort(),
    ).toEqual(Object.keys(meanings).sort());
    expect(slotsOf("search")).toHaveLength(1);
    expect(slotsOf("root argument").map(({ id }) => id)).toContain("Query.product(name)");
    expect(
      [...schema.types.get("LetterActivityFilter")!.inputFields!].flatMap(({ name, type }) =>
        type.name === "StringFilter" ? [name] : [],
      ),
    ).toEqual(columns);
  });
});

/** One aliased field of a request, made of the names of the variables that its values are in. */
interface Batch {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** A request with a variable per value: `fields` are told its name and position. */
function batchOf(
  declared: string,
  values: readonly unknown[],
  fields: (variable: string, i: number) => string[],
  operation = "query",
): Batch {
  const names = values.map((_, i) => `t${i}`);
  return {
    query: `${operation}(${names.map((name) => `$${name}: ${declared}`).join(", ")}) { ${names.flatMap(fields).join("\n")} }`,
    variables: Object.fromEntries(names.map((name, i) => [name, values[i]])),
  };
}

async function answered({ query, variables }: Batch): Promise<{ answer: Answer; asked: Asked[] }> {
  world.asked();
  const answer = await ask(world.url, query, variables);
  return { answer, asked: world.asked() };
}

const benign = (count: number): string[] => Array.from({ length: count }, (_, i) => `benign ${i}`);

/** Texts among the parameters of statements, without the partitions; none may be other than one literal. */
function textsIn(asked: readonly Asked[]): string[] {
  return asked
    .flatMap(({ parameters }) => parameters)
    .flatMap((parameter) => {
      const literal = literalOf(parameter);
      if (literal === null) throw new Error(`Not one literal: ${JSON.stringify(parameter)}`);
      return literal.kind === "string" && !/^\d{4}-\d\d-\d\d$/.test(literal.value) ? [literal.value] : [];
    });
}

/** Asks with the texts and with as many benign ones: the statements are the same, and carry the texts as they are. */
async function expectCarried(
  values: readonly string[],
  batch: (values: readonly string[]) => Batch,
): Promise<Answer> {
  const { answer, asked } = await answered(batch(values));
  expect(answer.errors).toBeUndefined();
  expect(asked.map(({ sql }) => sql).sort()).toEqual(await controlOf(values.length, batch));
  expect(new Set(textsIn(asked))).toEqual(new Set(values));
  return answer;
}

const controls = new Map<string, readonly string[]>();

async function controlOf(
  count: number,
  batch: (values: readonly string[]) => Batch,
): Promise<readonly string[]> {
  const request = batch(benign(count));
  const form = `${count} ${request.query}`;
  const known = controls.get(form);
  if (known !== undefined) return known;
  const { answer, asked } = await answered(request);
  expect(answer.errors).toBeUndefined();
  expect(asked.length).toBeGreaterThan(0);
  expect(textsIn(asked)).toContain("benign 0");
  const statements = asked.map(({ sql }) => sql).sort();
  controls.set(form, statements);
  return statements;
}

const measures = "letters subjects";
const counted = "count(l.pages) AS letters, count(DISTINCT l.subject) AS subjects";

/** What letters meet a condition, for each text: `operator` of a column. */
async function truthOf(column: string, operator: string, texts: readonly string[]): Promise<Json[]> {
  const rows = await world.truth(
    `SELECT ${counted} FROM (SELECT unnest($1::VARCHAR[]) AS x, generate_subscripts($1::VARCHAR[], 1) AS i) t
      LEFT JOIN letters l ON ${meanings[operator]!(`l.${column}`, "t.x")} GROUP BY t.i ORDER BY t.i`,
    [texts],
  );
  return rows.map(plain);
}

function plain(row: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));
}

describe("a filter of a column", () => {
  const size = 180; // questions of one statement

  /** Asks one question per text, of the column that `columnAt` chooses. */
  async function expectTrue(operator: string, columnAt: (i: number) => string): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const texts of batches(carried, size)) {
      const answer = await expectCarried(texts, (values) =>
        batchOf("String!", values, (name, i) => [
          `${name}: letterActivity(where: { ${columnAt(i)}: { ${operator}: $${name} } }) { ${measures} }`,
        ]),
      );
      const truths = new Map<string, Json[]>();
      for (const column of columns) truths.set(column, await truthOf(column, operator, texts));
      expect(Object.values(answer.data)).toEqual(texts.map((_, i) => truths.get(columnAt(i))![i]));
      answers.push(answer);
    }
    return answers;
  }

  it.each(columns)("%s: { eq }", { timeout }, async (column) => {
    const answers = await expectTrue("eq", () => column);
    const counts = answers.flatMap(({ data }) => Object.values(data) as { letters: number }[]);
    expect(counts.filter(({ letters }) => letters > 0).length).toBeGreaterThan(200);
    // keys of rollups are hostile too
    const sources = answers.flatMap(({ extensions }) =>
      extensions.sluice.provenance.flatMap(({ fields, source }: Json) =>
        fields.includes("letters") ? [source] : [],
      ),
    );
    expect(sources.includes("EDITION")).toBe(column !== "subject");
    expect(sources.includes("ATHENA")).toBe(column === "subject");
  });

  it.each(["ne", "startsWith"])("of each column in turn: { %s }", { timeout }, async (operator) => {
    for (const answer of await expectTrue(operator, (i) => columns[i % columns.length]!))
      expect(Object.values(answer.data as Json).some(({ letters }: Json) => letters > 0)).toBe(true);
  });

  it("of each column: { in } and { notIn }", { timeout }, async () => {
    const asked = columns.flatMap((column) => ["in", "notIn"].map((operator) => ({ column, operator })));
    for (const texts of batches(carried, 50)) {
      const answer = await expectCarried(texts, (values) => ({
        query: `query($all: [String!]!, $most: [String!]!) { ${asked
          .flatMap(({ column, operator }) =>
            ["all", "most"].map(
              (list) =>
                `${column}_${operator}_${list}: letterActivity(where: { ${column}: { ${operator}: $${list} } }) { ${measures} }`,
            ),
          )
          .join("\n")} }`,
        variables: { all: values, most: values.slice(1) },
      }));
      for (const { column, operator } of asked)
        for (const [list, bound] of Object.entries({ all: texts, most: texts.slice(1) })) {
          const sql = `SELECT ${counted} FROM letters l WHERE ${meanings[operator]!(column, "$1")}`;
          const [row] = await world.truth(sql, [bound]);
          expect({ list, ...answer.data[`${column}_${operator}_${list}`] }).toEqual({ list, ...plain(row!) });
        }
    }
  });

  it("refuses what no parameter can hold, and asks nobody", async () => {
    for (const texts of batches(uncarried, size)) {
      const { answer, asked } = await answered(
        batchOf("String!", texts, (name, i) => {
          const column = columns[i % columns.length]!;
          return ["eq: $t", "ne: $t", "startsWith: $t", "in: [$t]", 'notIn: ["a", $t]'].map(
            (condition, n) =>
              `${name}_${n}: letterActivity(where: { ${column}: { ${condition.replace("$t", `$${name}`)} } }) { subjects }`,
          );
        }),
      );
      expectRefused(answer, texts.length * 5);
      expect(asked).toEqual([]);
    }
  });

  it("refuses it alone: what else is asked is answered", async () => {
    const { answer } = await answered(
      batchOf("String!", ["x".repeat(1_025), "\ud800", "'"], (name) => [
        `${name}: letterActivity(where: { subject: { eq: $${name} } }) { subjects }`,
      ]),
    );
    expectRefused(answer, 2);
    expect(answer.data.t2).toEqual({ subjects: (await truthOf("subject", "eq", ["'"]))[0].subjects });
  });
});

function expectRefused({ errors = [] }: Answer, count: number): void {
  expect(errors.map(({ extensions }) => extensions.code)).toEqual(errors.map(() => "BAD_USER_INPUT"));
  expect(errors).toHaveLength(count);
  for (const { message } of errors)
    expect(message).toMatch(/without U\+0000\. Got .+ Leave|at most 1024 characters .+ Use a shorter/s);
}

describe("a search for values of a dimension", () => {
  const size = 25;
  const request = (product: string, texts: readonly string[]): Batch =>
    batchOf("String!", texts, (name) => [
      `${name}: product(name: "${product}") { dimensions { name values(search: $${name}, first: 100) } }`,
    ]);

  async function expectFound(product: string, texts: readonly string[]): Promise<void> {
    const answer = await expectCarried(texts, (values) => request(product, values));
    for (const [i, text] of texts.entries())
      for (const { name, values } of answer.data[`t${i}`].dimensions) {
        const rows = await world.truth(
          `SELECT encode(v) AS v FROM (SELECT DISTINCT ${name} AS v FROM letters) WHERE contains(lower(v), lower($1)) ORDER BY 1 LIMIT 100`,
          [text],
        );
        const found = rows.map(({ v }) => Buffer.from((v as { bytes: Uint8Array }).bytes).toString());
        expect({ text, name, values }).toEqual({ text, name, values: found });
      }
  }

  // the empty text searches for nothing
  const searched = carried.filter((text) => text !== "");

  it("finds what DuckDB finds, in the order of code points", { timeout }, async () => {
    for (const texts of batches(searched, size)) await expectFound("LetterSubjects", texts);
  });

  it("of every kind of dimension", { timeout }, async () => {
    for (const texts of batches(searched.slice(0, 50), size)) await expectFound("LetterActivity", texts);
  });

  it("refuses what no parameter can hold, and asks nobody", async () => {
    for (const texts of batches(uncarried, size)) {
      const { answer, asked } = await answered(request("LetterSubjects", texts));
      expectRefused(answer, texts.length);
      expect(asked).toEqual([]);
    }
  });
});

describe("a text where another scalar is read", () => {
  const places: Readonly<Record<string, (field: string, name: string) => string>> = {
    DateTimeFilter: (field, name) => `where: { at: { ${field}: ${name} } }`,
    TimeRange: (field, name) => `range: { ${field}: ${name} }`,
  };

  it("is refused with the rule, before anything is asked", { timeout }, async () => {
    const slots = slotsOf("read as another scalar");
    expect(slots.map(({ id }) => id)).toContain("TimeRange.last");
    for (const { type, field, declared } of slots)
      for (const texts of batches(hostileTexts, 15)) {
        const sent = declared.startsWith("[") ? texts.map((text) => [text]) : texts;
        const { answer, asked } = await answered(
          batchOf(declared, sent, (name) => [
            `${name}: letterActivity(${places[type]!(field, `$${name}`)}) { subjects }`,
          ]),
        );
        expect(answer.errors?.map(({ extensions }) => extensions.code)).toEqual(
          texts.map(() => "BAD_USER_INPUT"),
        );
        expect(asked).toEqual([]);
      }
  });
});

describe("a text as an argument of a root field", () => {
  it("names nothing, or is refused, and asks nobody", async () => {
    for (const slot of slotsOf("root argument")) {
      const operation = (["query", "mutation"] as const).find((each) => schema.roots[each] === slot.type);
      if (operation === undefined) continue; // subscriptions: below
      for (const texts of batches(hostileTexts, 40)) {
        const { answer, asked } = await answered(
          batchOf(slot.declared, texts, (name) => [`${name}: ${callOf(schema, slot, name)}`], operation),
        );
        const found = Object.values(answer.data ?? {}).filter((value) => value !== null);
        expect({ slot: slot.id, found }).toEqual({ slot: slot.id, found: [] });
        for (const { extensions } of answer.errors ?? []) expect(extensions.code).toBe("BAD_USER_INPUT");
        expect(asked).toEqual([]);
      }
    }
  });
});
