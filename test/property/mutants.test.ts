/** What the random questions are worth: a planner with one mistake in it does not get through some hundred of them. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as gateways from "../../bin/gateway.ts";
import { examine, featuresOf } from "./examine.ts";
import { seeded } from "./random.ts";
import { startWorld, type World } from "./world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const mutants = path.join(root, ".sluice", `property-mutants-${process.pid}`);
const seed = 5;

let world: World;

/** There are editions, an open month, and events beyond them. */
beforeAll(async () => {
  world = await startWorld(seed);
  let moments = "";
  while (!/a refresh.*by the stream$/.test(moments)) moments += await world.next();
});

afterAll(async () => {
  await world?.close();
  await rm(mutants, { recursive: true, force: true });
});

interface Mutation {
  readonly mistake: string;
  readonly file: string;
  readonly code: string;
  readonly instead: string;
}

const mutations: readonly Mutation[] = [
  {
    mistake: "reads one bucket more at the end of a piece",
    file: "src/sql/plan.ts",
    code: "end: bucketIndex(to - 1, grain) + 1",
    instead: "end: bucketIndex(to - 1, grain) + 2",
  },
  {
    mistake: "takes the whole month for its last days",
    file: "src/sql/plan.ts",
    code: "const from = ceilTo(range.from, grain);",
    instead: "const from = floorTo(range.from, grain);",
  },
  {
    mistake: "takes what is known for what is not",
    file: "src/sql/plan.ts",
    code: `condition.op === "isNull" && condition.value ?`,
    instead: `condition.op === "isNull" ?`,
  },
  {
    mistake: "leaves out what has come since the refresh",
    file: "src/sql/plan.ts",
    code: "const live = isLive ? cover({ from: cut, to: extent.to }, [rollup.finest]) : [];",
    instead: "const live: Piece[] = [];",
  },
  {
    mistake: "says that it is complete when it is not",
    file: "src/sql/plan.ts",
    code: "range.from >= coverage.from && range.to <= end",
    instead: "range.from >= coverage.from && end > 0",
  },
  {
    mistake: "begins its weeks on Sunday",
    file: "src/model/time.ts",
    code: "((new Date(day).getUTCDay() + 6) % 7)",
    instead: "new Date(day).getUTCDay()",
  },
  {
    mistake: "asks Athena for more than what is asked at least",
    file: "src/sql/fragments.ts",
    code: "`${name} >= ${render(condition.value, column.type)}`",
    instead: "`${name} > ${render(condition.value, column.type)}`",
  },
  {
    mistake: "forgets the time of day a month ago",
    file: "src/model/period.ts",
    code: "dayOf(year, month, day) + (((at % dayMs) + dayMs) % dayMs)",
    instead: "dayOf(year, month, day)",
  },
];

test("the planner as it is gets through", async () => {
  await expect(ask(gateways.openGateway, 1, 70)).resolves.toBe("right");
});

test.for(mutations)("one that $mistake is found", async (mutation) => {
  const { openGateway } = await mutantOf(mutation);
  // what another gateway has asked Athena is not asked again
  const own = 2 + mutations.indexOf(mutation);
  // most are found by the first twenty
  await expect(ask(openGateway, own, 400)).rejects.toThrow(/^asked alone: (?!right)/m);
});

async function ask(open: typeof gateways.openGateway, own: number, questions: number): Promise<"right"> {
  const gateway = await world.openGateway(open);
  const { url } = gateway;
  try {
    const { truth } = world;
    await examine({ url, truth, history: world, features: await featuresOf(url) }, seeded(own), questions);
    return "right";
  } finally {
    await gateway.close();
  }
}

/** What a gateway answers by. */
const folders = ["src/sql", "src/loaders"];
const files = ["src/model/time.ts", "src/model/period.ts", "bin/gateway.ts"];

/** A copy of it with the mistake in it; everything else is imported from where it is. */
async function mutantOf({ mistake, file, code, instead }: Mutation): Promise<typeof gateways> {
  const folder = path.join(mutants, mistake.replaceAll(/\W+/g, "-"));
  const inFolders = await Promise.all(
    folders.map(async (each) =>
      (await readdir(path.join(root, each), { recursive: true })).map((name) => `${each}/${name}`),
    ),
  );
  const copied = [...inFolders.flat().filter((name) => name.endsWith(".ts")), ...files];
  for (const name of copied) {
    const text = await readFile(path.join(root, name), "utf8");
    const moved = text.replaceAll(/ from "(\..+)"/g, (whole, target: string) => {
      const imported = path.posix.join(path.posix.dirname(name), target);
      return copied.includes(imported) ? whole : ` from "${root}${imported}"`;
    });
    if (name === file && moved.split(code).length !== 2)
      throw new Error(`${file} has no such code, once: ${code}`);
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), name === file ? moved.replace(code, () => instead) : moved);
  }
  return import(path.join(folder, "bin/gateway.ts")) as Promise<typeof gateways>;
}
