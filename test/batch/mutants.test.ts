/** What the kill test and the test of two runs are worth: the refresh with one mistake in it does not pass them. */
import { afterAll, expect, test } from "vitest";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import type * as appliers from "../../etl/live/apply.ts";
import { type Mutation, mutantOf, removeMutants } from "../mutants.ts";
import { killEverywhere, wander } from "./kill.ts";
import { killSweeps, refreshDaily, repeatFirstDay } from "./live-sales.ts";
import type { Batch } from "./sales-world.ts";
import { scenarios } from "./scenarios.ts";
import { runTwoAtATime } from "./two-runs.ts";

const seed = 1;

afterAll(removeMutants);

interface Found extends Mutation {
  readonly foundBy: "kills" | "generations" | "two runs" | "live days" | "kills of sweeps";
  readonly as: RegExp;
}

const loadAndPublish = `  const items = await load(product, id, plan, lake, deps, options);
  checkStopped(product, options);
  return publish(product, published, prepared, items, deps);`;
const prepareAndLoad = `  const prepared = await prepare(product, published, publication, deps);
  const items = await load(product, id, plan, lake, deps, options);`;

const mutations: readonly Found[] = [
  {
    mistake: "publishes before it loads",
    file: "batch/run.ts",
    code: loadAndPublish,
    instead: `  const edition = await publish(product, published, prepared, 0, deps);
  await load(product, id, plan, lake, deps);
  return edition;`,
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "publishes rollup by rollup",
    file: "batch/publish.ts",
    code: "(await flip(product, { ...edition.manifest, keeps }, published.revision, control))",
    instead: `(await flip(product, { ...edition.manifest, keeps, pages: { ...edition.manifest.pages, ...published.manifest?.pages } }, published.revision, control)) &&
    (await control.put(manifestKey(product), { ...edition.manifest, keeps }, "any")) !== null`,
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "writes segments under the edition before",
    file: "batch/run.ts",
    code: "load(product, id, plan, lake, deps, options)",
    instead: "load(product, published.manifest?.edition ?? id, plan, lake, deps)",
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "loads before it has said what",
    file: "batch/run.ts",
    code: prepareAndLoad,
    instead: `  const items = await load(product, id, plan, lake, deps);
  const prepared = await prepare(product, published, publication, deps);`,
    foundBy: "kills",
    as: /retained manifests reach/,
  },
  {
    mistake: "sweeps what a retained manifest reaches",
    file: "batch/reach.ts",
    code: "([period, writer]) => !this.#periods.has(periodId(name, grain, period, writer))",
    instead: "() => true",
    foundBy: "kills",
    as: /answered|instead of/,
  },
  {
    mistake: "sweeps documents before what they tell of",
    file: "batch/sweep.ts",
    code: "  let items = 0;",
    instead: `  await sweepDocuments(product, dead.map(({ value }) => value).filter((edition) => !tellsKeys(edition)), crashed, deps);
  let items = 0;`,
    foundBy: "kills",
    as: /retained manifests reach/,
  },
  {
    mistake: "finds the keys of an open month in newer gold",
    file: "batch/reach.ts",
    code: "return this.#unended.has(edition);",
    instead: "return false;",
    foundBy: "generations",
    as: /retained manifests reach/,
  },
  {
    mistake: "publishes over whoever was faster",
    file: "batch/publish.ts",
    code: "control.put(manifestKey(product), manifest, expected)",
    instead: `control.put(manifestKey(product), manifest, "any")`,
    foundBy: "two runs",
    as: /.*/,
  },
  {
    mistake: "sweeps live items that only the newest edition covers",
    file: "batch/sweep.ts",
    code: "Math.min(coverage.until, ...kept.map(({ manifest }) => manifest.coverage.until))",
    instead: "Math.min(coverage.until, ...kept.slice(kept.length))",
    foundBy: "live days",
    as: /answered|instead of/,
  },
  {
    mistake: "sweeps live items of periods that have not ended",
    file: "batch/sweep-live.ts",
    code: "if (at > covered) return ended;",
    instead: "if (periodRange(period).from >= covered) return ended;",
    foundBy: "live days",
    as: /answered|instead of/,
  },
  {
    mistake: "says that live items are swept before they are",
    file: "batch/sweep-live.ts",
    code: "    await forEachInParallel(partitions, async ({ key }) => {",
    instead: `    revision = (await deps.control.put({ pk: shape.pk, sk: shape.sk }, { ...start, sweptUntil: end }, revision)) ?? revision;
    await forEachInParallel(partitions, async ({ key }) => {`,
    foundBy: "kills of sweeps",
    as: /instead of/,
  },
];

test("an applier that restarts the versions of an item that was swept is found", async () => {
  const load = await mutantOf({
    mistake: "restarts versions",
    file: "live/apply.ts",
    code: "Math.max((image?.version ?? 0) + 1, Math.trunc(clock() * 1_000))",
    instead: "(image?.version ?? 0) + 1",
  });
  const { liveApplier } = await load<typeof appliers>("live/apply.ts");
  const repeated = repeatFirstDay({ refresh, rollback, release }, seed, liveApplier);
  await expect(repeated).rejects.toThrow("is made again as version 1, after");
});

test.for(mutations)("a refresh that $mistake is found", { timeout: 300_000 }, async (mutation) => {
  const batch = await batchOf(mutation);
  await expect(proofs[mutation.foundBy](batch)).rejects.toThrow(mutation.as);
});

const shortest = scenarios[1]!;

const proofs = {
  kills: (batch: Batch) => killEverywhere(shortest, batch, seed),
  generations: async (batch: Batch) => {
    for (let own = seed; own < seed + 20; own++) await wander(shortest, batch, own);
  },
  "live days": (batch: Batch) => refreshDaily(batch, seed),
  "kills of sweeps": (batch: Batch) => killSweeps(batch, seed),
  "two runs": async (batch: Batch) => {
    for (let own = seed; own < seed + 10; own++) await runTwoAtATime(batch, own);
  },
};

async function batchOf(mutation: Mutation): Promise<Batch> {
  const load = await mutantOf(mutation);
  const [run, back] = [await load<Batch>("batch/run.ts"), await load<Batch>("batch/rollback.ts")];
  return { refresh: run.refresh, rollback: back.rollback, release: back.release };
}
