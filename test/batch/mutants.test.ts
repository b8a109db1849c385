/** What the kill test and the test of two runs are worth: the refresh with one mistake in it does not pass them. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { killEverywhere, wander } from "./kill.ts";
import type { Batch } from "./sales-world.ts";
import { scenarios } from "./scenarios.ts";
import { runTwoAtATime } from "./two-runs.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const mutants = path.join(root, ".sluice", `mutants-${process.pid}`);
const seed = 1;

afterAll(() => rm(mutants, { recursive: true, force: true }));

interface Mutation {
  readonly mistake: string;
  readonly file: string;
  readonly code: string;
  readonly instead: string;
  readonly foundBy: "kills" | "generations" | "two runs";
  readonly as: RegExp;
}

const loadAndPublish = `  const items = await load(product, id, plan, lake, deps, options);
  checkStopped(product, options);
  return publish(product, published, prepared, items, deps);`;
const prepareAndLoad = `  const prepared = await prepare(product, published, publication, deps);
  const items = await load(product, id, plan, lake, deps, options);`;

const mutations: readonly Mutation[] = [
  {
    mistake: "publishes before it loads",
    file: "run.ts",
    code: loadAndPublish,
    instead: `  const edition = await publish(product, published, prepared, 0, deps);
  await load(product, id, plan, lake, deps);
  return edition;`,
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "publishes rollup by rollup",
    file: "publish.ts",
    code: "(await flip(product, { ...edition.manifest, keeps }, published.revision, control))",
    instead: `(await flip(product, { ...edition.manifest, keeps, pages: { ...edition.manifest.pages, ...published.manifest?.pages } }, published.revision, control)) &&
    (await control.put(manifestKey(product), { ...edition.manifest, keeps }, "any")) !== null`,
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "writes segments under the edition before",
    file: "run.ts",
    code: "load(product, id, plan, lake, deps, options)",
    instead: "load(product, published.manifest?.edition ?? id, plan, lake, deps)",
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "loads before it has said what",
    file: "run.ts",
    code: prepareAndLoad,
    instead: `  const items = await load(product, id, plan, lake, deps);
  const prepared = await prepare(product, published, publication, deps);`,
    foundBy: "kills",
    as: /retained manifests reach/,
  },
  {
    mistake: "sweeps what a retained manifest reaches",
    file: "reach.ts",
    code: "([period, writer]) => !this.#periods.has(periodId(name, grain, period, writer))",
    instead: "() => true",
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "sweeps documents before what they tell of",
    file: "sweep.ts",
    code: "  let items = 0;",
    instead: `  await sweepDocuments(product, dead.map(({ value }) => value).filter((edition) => !tellsKeys(edition)), crashed, deps);
  let items = 0;`,
    foundBy: "kills",
    as: /retained manifests reach/,
  },
  {
    mistake: "finds the keys of an open month in newer gold",
    file: "reach.ts",
    code: "return this.#unended.has(edition);",
    instead: "return false;",
    foundBy: "generations",
    as: /retained manifests reach/,
  },
  {
    mistake: "publishes over whoever was faster",
    file: "publish.ts",
    code: "control.put(manifestKey(product), manifest, expected)",
    instead: `control.put(manifestKey(product), manifest, "any")`,
    foundBy: "two runs",
    as: /.*/,
  },
];

test.for(mutations)("a refresh that $mistake is found", async (mutation) => {
  const batch = await mutantOf(mutation);
  await expect(proofs[mutation.foundBy](batch)).rejects.toThrow(mutation.as);
});

const shortest = scenarios[1]!;

const proofs = {
  kills: (batch: Batch) => killEverywhere(shortest, batch, seed),
  generations: async (batch: Batch) => {
    for (let own = seed; own < seed + 20; own++) await wander(shortest, batch, own);
  },
  "two runs": async (batch: Batch) => {
    for (let own = seed; own < seed + 10; own++) await runTwoAtATime(batch, own);
  },
};

/** A copy of etl/batch with the mistake in it; everything else is imported from where it is. */
async function mutantOf({ mistake, file, code, instead }: Mutation): Promise<Batch> {
  const folder = path.join(mutants, mistake.replaceAll(" ", "-"));
  await mkdir(mutants, { recursive: true });
  await cp(path.join(root, "etl/batch"), folder, { recursive: true });
  for (const name of await readdir(folder)) {
    const text = await readFile(path.join(folder, name), "utf8");
    const moved = text
      .replaceAll(`from "../../src/`, `from "${root}src/`)
      .replaceAll(`from "../live/`, `from "${root}etl/live/`);
    if (name === file && moved.split(code).length !== 2)
      throw new Error(`${file} has no such code, once: ${code}`);
    await writeFile(path.join(folder, name), name === file ? moved.replace(code, () => instead) : moved);
  }
  const load = (name: string) => import(path.join(folder, name)) as Promise<Batch>;
  const [{ refresh }, { rollback, release }] = [await load("run.ts"), await load("rollback.ts")];
  return { refresh, rollback, release };
}
