/**
 * A thousand hostile texts through every argument that takes text, over HTTP: no statement changes, each text is one
 * literal in one parameter, and the answers are those of DuckDB with bound values, over rows that hold such texts.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer, Json } from "../e2e/client.ts";
import { answered, type Batch, batches, batchOf, expectCarried } from "./asking.ts";
import { callOf, readSchema, type Schema, type Slot, textSlots } from "./slots.ts";
import { carried, hostileTexts, uncarried } from "./texts.ts";
import { columns, counted, meanings, plain, truthOf } from "./truth.ts";
import { hostileOverWebSocket } from "./websocket.suite.ts";
import { startWorld, type World } from "./world.ts";

let world: World;
let schema: Schema;

beforeAll(async () => {
  world = await startWorld();
  schema = await readSchema(world.url);
});
afterAll(() => world?.close());

const timeout = 300_000; // of what takes a few seconds on an idle machine

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

const measures = "letters subjects";

describe("a filter of a column", () => {
  const size = 180; // questions of one statement

  /** Asks one question per text, of the column that `columnAt` chooses. */
  async function expectTrue(operator: string, columnAt: (i: number) => string): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const texts of batches(carried, size)) {
      const answer = await expectCarried(world, texts, (values) =>
        batchOf("String!", values, (name, i) => [
          `${name}: letterActivity(where: { ${columnAt(i)}: { ${operator}: $${name} } }) { ${measures} }`,
        ]),
      );
      const truths = new Map<string, Json[]>();
      for (const column of columns) truths.set(column, await truthOf(world, column, operator, texts));
      expect(Object.values(answer.data)).toEqual(texts.map((_, i) => truths.get(columnAt(i))![i]));
      answers.push(answer);
    }
    return answers;
  }

  it.each(columns)("%s: { eq }", { timeout }, async (column) => {
    const answers = await expectTrue("eq", () => column);
    const counts = answers.flatMap(({ data }) => Object.values<Json>(data));
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
      expect(Object.values<Json>(answer.data).some(({ letters }: Json) => letters > 0)).toBe(true);
  });

  it("of each column: { in } and { notIn }", { timeout }, async () => {
    const asked = columns.flatMap((column) => ["in", "notIn"].map((operator) => ({ column, operator })));
    for (const texts of batches(carried, 50)) {
      const answer = await expectCarried(world, texts, (values) => ({
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
        world,
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
      world,
      batchOf("String!", ["x".repeat(1_025), "\ud800", "'"], (name) => [
        `${name}: letterActivity(where: { subject: { eq: $${name} } }) { subjects }`,
      ]),
    );
    expectRefused(answer, 2);
    expect(answer.data.t2).toEqual({ subjects: (await truthOf(world, "subject", "eq", ["'"]))[0].subjects });
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

  /** Per text and dimension: what the gateway finds, and what DuckDB finds. */
  async function search(
    product: string,
    texts: readonly string[],
  ): Promise<{ given: Json[]; truth: Json[] }> {
    const answer = await expectCarried(world, texts, (values) => request(product, values));
    const given = texts.flatMap((text, i) =>
      answer.data[`t${i}`].dimensions.map(({ name, values }: Json) => ({ text, name, values })),
    );
    const truth: Json[] = [];
    for (const { text, name } of given) {
      const rows = await world.truth(
        `SELECT encode(v) AS v FROM (SELECT DISTINCT ${name} AS v FROM letters) WHERE contains(lower(v), lower($1)) ORDER BY 1 LIMIT 100`,
        [text],
      );
      const values = rows.map(({ v }) => Buffer.from((v as { bytes: Uint8Array }).bytes).toString());
      truth.push({ text, name, values });
    }
    return { given, truth };
  }

  // the empty text searches for nothing
  const searched = carried.filter((text) => text !== "");

  it("finds what DuckDB finds, in the order of code points", { timeout }, async () => {
    for (const texts of batches(searched.slice(20), size)) {
      const { given, truth } = await search("LetterSubjects", texts);
      expect(given).toEqual(truth);
    }
  });

  it("of every kind of dimension", { timeout }, async () => {
    for (const texts of batches(searched.slice(0, 20), size)) {
      const { given, truth } = await search("LetterActivity", texts);
      expect(given).toHaveLength(texts.length * columns.length);
      expect(given).toEqual(truth);
    }
  });

  it("refuses what no parameter can hold, and asks nobody", async () => {
    for (const texts of batches(uncarried, size)) {
      const { answer, asked } = await answered(world, request("LetterSubjects", texts));
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
          world,
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
      if (operation === undefined) continue; // a subscription: over WebSocket
      for (const texts of batches(hostileTexts, 40)) {
        const { answer, asked } = await answered(
          world,
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

describe("over WebSocket", () => {
  hostileOverWebSocket(
    () => world,
    () => schema,
  );
});
