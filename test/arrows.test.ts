/** Reads the tree: imports follow the arrows of the layout, names say something, and only products know their data. */
import { describe, expect, test } from "vitest";
import { type CodeFile, codeFiles, type Import, readCode } from "./tree.ts";

/**
 * From -> what it may import values of, besides its own folder. "*" is anything. Whoever wants another arrow changes
 * this table and the one in the docs, in the same commit, with the reason.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  products: ["src/model"],
  "src/model": [],
  "src/sql": ["src/model"],
  "src/backends": ["src/model"],
  "src/schema": ["src/model"],
  "src/loaders": ["src/model", "src/sql"],
  "src/resolvers": ["src/model", "src/schema"],
  "src/subscriptions": ["src/model", "src/schema"],
  // the model for the family of errors and for scopes: the server says who may see what, and answers with codes
  "src/server": ["src/model", "src/schema", "src/resolvers", "src/subscriptions", "src/loaders"],
  etl: ["src/model", "src/sql"],
  "cloud/resources.ts": [],
  "cloud/local": ["cloud/resources.ts"],
  "cloud/aws": ["cloud/resources.ts"],
  web: [],
  // recipes are taken along: they need packages only
  docs: [],
  bin: ["*"],
  bench: ["*"],
  test: ["*"],
};

/** Types that anybody may import. A backend's interface has the name of a need; its technology stands behind a dot. */
const openTypes = /^src\/(?:model\/.+|backends\/[^./]+\.ts)$/;
/** Types that one place implements for another: from -> file. */
const implemented: Readonly<Record<string, string>> = { "src/loaders": "src/schema/context.ts" };

function isIn(file: string, place: string): boolean {
  return file === place || file.startsWith(`${place}/`);
}

/** The most specific place of the table that holds the file. */
function placeOf(file: string): string | undefined {
  return Object.keys(arrows)
    .filter((place) => isIn(file, place))
    .sort((a, b) => b.length - a.length)[0];
}

function forbiddenArrow(file: CodeFile, { target, relative, typeOnly }: Import): boolean {
  const from = placeOf(file.path);
  if (!relative || from === undefined) return relative;
  if (typeOnly && (openTypes.test(target) || implemented[from] === target)) return false;
  if (isIn(target, from)) return false;
  const allowed = arrows[from]!;
  return !allowed.includes("*") && !allowed.some((place) => isIn(target, place));
}

function arrowProblems(files: readonly CodeFile[]): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((each) => forbiddenArrow(file, each))
      .map((each) => `${file.path} imports ${each.typeOnly ? "types" : "values"} of ${each.target}`),
  );
}

const files = codeFiles();

describe("import arrows", () => {
  test("every file has its place in the layout", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => placeOf(file.path) === undefined).map((file) => file.path)).toEqual([]);
  });

  test("are those of the table", () => {
    expect(arrowProblems(files)).toEqual([]);
  });

  test("end in files of the tree, named in full", () => {
    const known = new Set(files.map((file) => file.path));
    const dangling = files.flatMap((file) =>
      file.imports
        .filter(({ relative, target }) => relative && !known.has(target))
        .map(({ target }) => `${file.path} imports ${target}`),
    );
    expect(dangling).toEqual([]);
  });

  test.each([
    ["src/model/a.ts", `import { b } from "../sql/b.ts";`, ["src/model/a.ts imports values of src/sql/b.ts"]],
    [
      "src/sql/a.ts",
      `import type { B } from "../loaders/b.ts";`,
      ["src/sql/a.ts imports types of src/loaders/b.ts"],
    ],
    ["etl/live/a.ts", `import type { Lake } from "../../src/backends/lake.ts";`, []],
    [
      "etl/live/a.ts",
      `import { type Lake, open } from "../../src/backends/lake.ts";`,
      ["etl/live/a.ts imports values of src/backends/lake.ts"],
    ],
    [
      "etl/live/a.ts",
      `import type { X } from "../../src/backends/lake.s3.ts";`,
      ["etl/live/a.ts imports types of src/backends/lake.s3.ts"],
    ],
    ["src/loaders/a.ts", `import type { Session } from "../schema/context.ts";`, []],
    ["etl/batch/a.ts", `import { wire } from "../live/wire.ts";`, []],
    [
      "src/schema/a.ts",
      `const b = await import("../server/b.ts");`,
      ["src/schema/a.ts imports values of src/server/b.ts"],
    ],
    [
      "src/loaders/a.ts",
      `export { b } from "../server/b.ts";`,
      ["src/loaders/a.ts imports values of src/server/b.ts"],
    ],
    ["src/loaders/a.ts", `import "../server/b.ts";`, ["src/loaders/a.ts imports values of src/server/b.ts"]],
    ["cloud/local/a.ts", `import { tables } from "../resources.ts"; import { b } from "./athena/b.ts";`, []],
    [
      "cloud/local/a.ts",
      `import { x } from "../../src/model/x.ts";`,
      ["cloud/local/a.ts imports values of src/model/x.ts"],
    ],
    ["scripts/a.ts", `import { x } from "./x.ts";`, ["scripts/a.ts imports values of scripts/x.ts"]],
    ["bin/a.ts", `import { x } from "../etl/live/x.ts"; import fastify from "fastify";`, []],
  ])("of %s are checked: %s", (file, text, problems) => {
    expect(arrowProblems([readCode(file, text)])).toEqual(problems);
  });
});

describe("files", () => {
  test("are named by what is in them, not as a drawer", () => {
    const drawer = /(?:^|[/.-])(?:utils?|helpers?|common|misc)(?=[/.-]|$)|(?:^|\/)shared(?=[/.]|$)/;
    expect(files.map((file) => file.path).filter((file) => drawer.test(file))).toEqual([]);
  });

  test("are no barrels", () => {
    const barrels = files.filter(
      (file) =>
        /(?:^|\/)index\.\w+$/.test(file.path) || file.imports.some((each) => each.reexport && each.relative),
    );
    expect(barrels.map((file) => file.path)).toEqual([]);
  });

  test("have at most 400 lines", () => {
    const long = files.filter((file) => file.lines > 400).map((file) => `${file.path}: ${file.lines}`);
    expect(long).toEqual([]);
  });
});

/** Words that only the demo's data has, as words of identifiers and of text. */
const demoWords = [
  "flight",
  "flights",
  "airport",
  "airports",
  "aviation",
  "strike",
  "strikes",
  "wildlife",
  "departures",
];
/** In English an operation is in flight, or shares a single flight. */
const inFlight = /\b(?:in|single)[ _-]?flights?\b/gi;
/** Columns of the demo whose names are also ordinary words: as a literal they can only mean the column. */
const demoColumns = ["delay", "distance", "destination"];

function demoProblems({ path, code }: CodeFile): string[] {
  // "meanDelay" and "mean_delay" as "mean delay"
  const words = code
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, " ")
    .replaceAll("_", " ")
    .replaceAll(inFlight, "");
  const found = demoWords.filter((word) => new RegExp(`\\b${word}\\b`, "i").test(words));
  const columns = demoColumns.filter((name) => new RegExp(`(["'\`])${name}\\1`).test(code));
  // "origin" is also a header of HTTP
  if (/"origin"/.test(code) && !isIn(path, "src/server")) columns.push("origin");
  return [...found, ...columns].map((word) => `${path}: ${word}`);
}

describe("the demo's data", () => {
  test("is known to products and tests only", () => {
    const outside = files.filter(({ path }) => !isIn(path, "products") && !isIn(path, "test"));
    expect(outside.flatMap(demoProblems)).toEqual([]);
  });

  test.each([
    [`const flightFeed = 1;`, ["src/a.ts: flight"]],
    [`const sql = "SELECT * FROM aviation.trips";`, ["src/a.ts: aviation"]],
    [`const AIRPORT_NAME = row["delay"];`, ["src/a.ts: airport", "src/a.ts: delay"]],
    [`const inFlight = new Map(), singleFlight = 2; // for example flights`, []],
    [`const delay = 20, origin = url.origin; await sleep(delay);`, []],
  ])("is found in %s", (text, problems) => {
    expect(demoProblems(readCode("src/a.ts", text))).toEqual(problems);
  });
});
