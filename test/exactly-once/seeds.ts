/** The seeds of a test file, some for each test. `SLUICE_SEED=n` repeats one history, `SLUICE_SEEDS=n` runs more of them. */

const only = process.env["SLUICE_SEED"];
const seeds = Number(process.env["SLUICE_SEEDS"] ?? 1_000);
const seedsPerTest = 10;

interface Seeds {
  readonly name: string;
  readonly seeds: readonly number[];
}

/** The `share`th of `shares` equal parts of the seeds, or of that fraction of them: files run beside each other. */
export function seedsOf(share: number, shares: number, factor = 1): Seeds[] {
  if (only !== undefined) return [{ name: only, seeds: [Number(only)] }];
  const own = Array.from({ length: Math.ceil(seeds * factor) }, (_, i) => i + 1).filter(
    (seed) => seed % shares === share,
  );
  const tests = Math.ceil(own.length / seedsPerTest);
  return Array.from({ length: tests }, (_, i) => own.slice(i * seedsPerTest, (i + 1) * seedsPerTest)).map(
    (some) => ({ name: `${some[0]} to ${some.at(-1)}`, seeds: some }),
  );
}
