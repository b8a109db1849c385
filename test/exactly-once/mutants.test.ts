/**
 * What the histories are worth: code with one mistake in it does not survive them. Most of these mistakes were somebody's
 * plan once. The copy without a mistake survives the very history that finds one.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mutation, mutantOf, removeMutants } from "../mutants.ts";
import { code, type Code } from "./code.ts";
import { runHistory } from "./history.ts";

const mostSeeds = 150;

let whole: Code;

beforeAll(async () => {
  whole = await codeOf(null);
});
afterAll(removeMutants);

/** How mistakes show themselves. */
const item = /Item .* holds .* and the visits up to/;
const answer = /covered until .* answered/;

const mutations: readonly (Mutation & { readonly as: RegExp })[] = [
  {
    mistake: "adds all of a batch to what an item holds",
    file: "live/fold.ts",
    code: "const watermark = image?.watermarks[shard];",
    instead: "const watermark = undefined;",
    as: item,
  },
  {
    mistake: "compares an item with the end of the batch only",
    file: "live/fold.ts",
    code: "const watermark = image?.watermarks[shard];",
    instead: `const known = image?.watermarks[shard];
  const watermark = known >= events.at(-1).sequence ? known : undefined;`,
    as: item,
  },
  {
    mistake: "writes the checkpoint before it applies",
    file: "live/batch.ts",
    code: "const dead = await bury(",
    instead: `const read = decoded.flatMap((record) => record.events);
  await advance(path, shard, position, checkpointAfter(path, position, decoded, read));
  const dead = await bury(`,
    as: /Item .* holds|The archive holds|answered|was never told|dead letters, not/,
  },
  {
    mistake: "publishes only what it has applied itself",
    file: "live/apply.ts",
    code: "remember(images, image);\n        changes.push(changeOf(item, image));",
    instead: `const isOurs = images.get(itemId(image)) !== image;
        remember(images, image);
        if (isOurs) changes.push(changeOf(item, image));`,
    as: /Version .* of item .* was never told/,
  },
  {
    mistake: "reads a child before its parents have ended",
    file: "live",
    code: "parents.every((parent) => ended.has(parent) || !shards.some(({ id }) => id === parent))",
    instead: "true",
    as: /told after a later one of its partition key/,
  },
  {
    mistake: "covers up to the clock",
    file: "batch/coverage.ts",
    code: "const records = await archivedPast(",
    instead: `const now = floorTo(deps.clock() - stream.latenessMs - stream.skewMs, finestGrain(product));
  if (now > 0) return Math.max(now, previous ?? now);
  const records = await archivedPast(`,
    as: answer,
  },
  {
    mistake: "archives a window whatever is archived of it",
    file: "live/archive.ts",
    code: "window.events.filter(({ sequence }) => sequence > record.through)",
    instead: "window.events",
    as: answer,
  },
  {
    mistake: "names archive files by the range of their window",
    file: "live/archive.ts",
    code: `if (window.through <= record.through) return;
    const fresh = window.events.filter(({ sequence }) => sequence > record.through);`,
    instead: `const fresh = window.events;
    Object.assign(record, { files: \`\${fresh[0]?.sequence}-\${window.through}-\` });`,
    as: answer,
  },
  {
    mistake: "sweeps live items that only the newest edition covers",
    file: "batch/sweep.ts",
    code: "Math.min(coverage.until, ...kept.map(({ manifest }) => manifest.coverage.until))",
    instead: "Math.min(coverage.until, ...kept.slice(kept.length))",
    as: /was swept, which version .* needs|answered/,
  },
  {
    mistake: "covers events that may still come",
    file: "batch/coverage.ts",
    code: "earliest - stream.latenessMs - stream.skewMs",
    instead: "earliest",
    as: answer,
  },
  {
    mistake: "takes a lost race for a lost answer",
    file: "live/apply.ts",
    code: "image = outcome.current;",
    instead: "return outcome.current ?? next;",
    as: item,
  },
  {
    mistake: "gives up a dead letter that is not written at once",
    file: "live/batch.ts",
    code: `untilDone(effects, "Writing dead letters", () => deadLetters.put(letters))`,
    instead: "deadLetters.put(letters).catch(() => {})",
    as: /dead letters, not/,
  },
  {
    mistake: "does not say which record an update follows",
    file: "live/batch.ts",
    code: "    after,\n    through,",
    instead: "    after: null,\n    through,",
    as: /The feed told visit/,
  },
];

test.for(mutations)(
  "a micro-batch or refresh that $mistake is found",
  { timeout: 300_000 },
  async (mutation) => {
    const seed = await seedThatFinds(await codeOf(mutation), mutation.as);
    await expect(runHistory(whole, seed)).resolves.toBeUndefined();
  },
);

/** The first seed that finds something wrong of that kind; others find what follows from it. */
async function seedThatFinds(mutant: Code, as: RegExp): Promise<number> {
  const found: string[] = [];
  for (let seed = 1; seed <= mostSeeds; seed++) {
    const message = await runHistory(mutant, seed).then(
      () => null,
      (error: Error) => error.message.split("\n")[0]!,
    );
    if (message !== null && as.test(message)) return seed;
    if (message !== null) found.push(message);
  }
  throw new Error(`${mostSeeds} histories found nothing wrong, or something else: ${found.join("; ")}`);
}

async function codeOf(mutation: Mutation | null): Promise<Code> {
  const load = await mutantOf(mutation);
  const [{ runConsumer }, { refresh }, { rollback, release }] = [
    await load<Code>("live/consumer.ts"),
    await load<Code>("batch/run.ts"),
    await load<Code>("batch/rollback.ts"),
  ];
  return { ...code, runConsumer, refresh, rollback, release };
}
