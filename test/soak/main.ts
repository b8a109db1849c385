/** `npm run soak`: SLUICE_SOAK_SECONDS (default 300) of load, a table while it runs, and exit code 1 if a number is wrong. */
import { isDeepStrictEqual } from "node:util";
import { figuresOf, header, heapAcrossLives, heapOfLastLife, isGrown, row, title } from "./report.ts";
import { runSoak, type Soaked, type SoakProgress } from "./soak.ts";

const seconds = Number(process.env["SLUICE_SOAK_SECONDS"] ?? 300);
const rowEverySeconds = 10;
const terminal = process.stdout.isTTY;

let rowAt = 0;

/** On a terminal the last row moves; a new one stands every ten seconds. */
function show(at: SoakProgress): void {
  const stands = at.seconds >= rowAt || at.phase === "drains";
  if (terminal) process.stdout.write(`\r\u001b[K${row(at)}${stands ? "\n" : ""}`);
  else if (stands) console.log(row(at));
  if (at.seconds >= rowAt) rowAt += rowEverySeconds;
}

function wrongIn(soaked: Soaked): string[] {
  const { recount, stored, archived, letters, last } = soaked;
  const dead = Object.values(letters).reduce((sum, count) => sum + count, 0);
  const checks: readonly (readonly [rule: string, holds: boolean])[] = [
    ["every live item is what was put", isDeepStrictEqual(stored, recount.tallies)],
    ["the archive holds every applied event once", isDeepStrictEqual(archived, recount.tallies)],
    ["every poisoned line is a dead letter, and nothing else", dead === recount.dead],
    ["in = applied + dead by the metrics", last.in === last.applied + last.dead],
    ["the consumer ends with 0", last.code === 0],
    ["memory stays flat", ![heapAcrossLives(soaked), heapOfLastLife(soaked)].some(isGrown)],
  ];
  for (const [rule, holds] of checks) console.log(`${holds ? "  ok" : "WRONG"}  ${rule}`);
  return checks.filter(([, holds]) => !holds).map(([rule]) => rule);
}

console.log(`${title(seconds)}\n${header}`);
const soaked = await runSoak({ seconds, progress: show });
console.log();
process.exitCode = wrongIn(soaked).length === 0 ? 0 : 1;
console.log(JSON.stringify({ bench: "soak", figures: figuresOf(soaked) }));
