/** The core of the micro-batches beside its floor, and how long an event takes to reach a subscriber. */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { CoreFigures } from "./live-core.process.ts";
import { type LatencyFigures, measureLatency } from "./live-latency.ts";
import { run } from "./processes.ts";

const windowMs = 250;

const [load] = loadavg() as [number];
if (load > cpus().length / 2)
  console.warn(`The load of this machine is ${load.toFixed(1)}: take the figures with caution.`);

const cores = await run<readonly CoreFigures[]>("./live-core.process.ts");
const data = mkdtempSync(join(tmpdir(), "sluice-bench-"));
try {
  report(cores, await measureLatency(data, windowMs));
} finally {
  rmSync(data, { recursive: true, force: true });
}

function report([single, packed]: readonly CoreFigures[], latency: LatencyFigures): void {
  console.log(table([single!, packed!]));
  const { samples, p50, p99 } = latency;
  console.log(`
From PutRecord to a subscriber, windows of ${windowMs} ms, ${samples} events one after another
  p50 ${p50.toFixed(0)} ms   p99 ${p99.toFixed(0)} ms
`);
  const ratios = [single!, packed!].map(({ pipeline, floor }) => pipeline / floor);
  const figures = {
    coreRatio: rounded(Math.max(...ratios), 2),
    coreRatioSingle: rounded(ratios[0]!, 2),
    coreRatioPacked: rounded(ratios[1]!, 2),
    eventsPerSecondPerCore: Math.round(1e6 / packed!.pipeline),
    latencyP50Ms: rounded(p50, 0),
    latencyP99Ms: rounded(p99, 0),
  };
  console.log(JSON.stringify({ bench: "live", figures }));
}

function table(shapes: readonly CoreFigures[]): string {
  const row = (name: string, value: (shape: CoreFigures) => number, digits = 2) =>
    `  ${name.padEnd(28)}${shapes.map((shape) => value(shape).toFixed(digits).padStart(24)).join("")}`;
  return `
The core, CPU µs per event  ${shapes.map(({ shape }) => shape.padStart(24)).join("")}
${row("JSON.parse and one Map (floor)", ({ floor }) => floor)}
${row("pipeline", ({ pipeline }) => pipeline)}
${row("  decode and validate", ({ stages }) => stages.decode)}
${row("  enrich", ({ stages }) => stages.enrich)}
${row("  group by item", ({ stages }) => stages.group)}
${row("  fold and pack", ({ stages }) => stages.fold)}
${row("ratio", ({ pipeline, floor }) => pipeline / floor)}
${row("bytes per event", ({ bytesPerEvent }) => bytesPerEvent, 0)}
${row("items per window", ({ itemsPerWindow }) => itemsPerWindow, 0)}`;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
