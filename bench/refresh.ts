/** The batch refresh beside DuckDB alone and beside the bare writes. `--small` leaves the tenfold data out. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./processes.ts";
import type { Measured } from "./refresh.process.ts";
import { buildLake } from "./subject.ts";

interface Size {
  readonly copies: number;
  /** Odd, for the median. */
  readonly rounds: number;
}

interface Figures {
  readonly transformRatio: number;
  readonly loadRatio: number;
  readonly peakMemoryMiB: number;
  readonly noChangeMs: number;
  readonly oneDayMs: number;
}

const sizes: readonly Size[] = [
  { copies: 1, rounds: 5 },
  ...(process.argv.includes("--small") ? [] : [{ copies: 10, rounds: 1 }]),
];

async function bench({ copies, rounds }: Size): Promise<Figures> {
  const data = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    await buildLake(data, copies);
    const refreshes: Measured[] = [];
    const floors: Measured[] = [];
    const alone: number[] = [];
    for (let round = 0; round < rounds; round++) {
      alone.push(await run<number>("./duckdb-alone.process.ts", [data]));
      floors.push(await run<Measured>("./refresh.process.ts", [data, "floor"]));
      refreshes.push(await run<Measured>("./refresh.process.ts", [data, "refresh"]));
    }
    return report(refreshes, floors, alone);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

function report(
  refreshes: readonly Measured[],
  floors: readonly Measured[],
  alone: readonly number[],
): Figures {
  const of = (name: keyof Measured, from = refreshes) => median(from.map((each) => each[name]));
  const { rows, items } = refreshes[0]!;
  const transform = of("transformCpu");
  const duckdb = median(alone);
  const load = (of("loadCpu") / items) * 1e6;
  const bare = (of("loadCpu", floors) / items) * 1e6;
  const ratio = (a: number, b: number) => Number((a / b).toFixed(2));
  console.log(`
${rows.toLocaleString("en")} rows, ${items.toLocaleString("en")} items; medians of ${refreshes.length}
  whole refresh      ${of("wall").toFixed(1)} s: ${perSecond(rows, of("wall"))} rows/s, ${perSecond(items, of("wall"))} items/s
  peak memory        ${of("peakMiB").toFixed(0)} MiB
  transform          ${transform.toFixed(2)} CPU s, ${perSecond(rows, transform)} rows per CPU s
    DuckDB alone     ${duckdb.toFixed(2)} CPU s                       ratio ${ratio(transform, duckdb)}
  load               ${load.toFixed(1)} CPU µs an item
    bare writes      ${bare.toFixed(1)} CPU µs an item               ratio ${ratio(load, bare)}
  nothing changed    ${(of("noChange") * 1e3).toFixed(0)} ms
  one day changed    ${(of("oneDay") * 1e3).toFixed(0)} ms`);
  return {
    transformRatio: ratio(transform, duckdb),
    loadRatio: ratio(load, bare),
    peakMemoryMiB: Math.round(of("peakMiB")),
    noChangeMs: Math.round(of("noChange") * 1e3),
    oneDayMs: Math.round(of("oneDay") * 1e3),
  };
}

const perSecond = (count: number, time: number): string => Math.round(count / time).toLocaleString("en");

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]!;
}

const figures: Figures[] = [];
for (const size of sizes) figures.push(await bench(size));
const [first, last] = [figures[0]!, figures.at(-1)!];
const whole: Figures = {
  transformRatio: Math.max(...figures.map((each) => each.transformRatio)),
  loadRatio: Math.max(...figures.map((each) => each.loadRatio)),
  peakMemoryMiB: Math.max(...figures.map((each) => each.peakMemoryMiB)),
  noChangeMs: last.noChangeMs,
  oneDayMs: first.oneDayMs,
};
console.log(JSON.stringify({ bench: "refresh", figures: whole }));
