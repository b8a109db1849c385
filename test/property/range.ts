/** Random ranges: open, last, aligned to something or to nothing, inside of a span of time and around it. */
import { pick, type Random } from "./random.ts";

export interface AskedRange {
  readonly from?: string;
  readonly to?: string;
  readonly last?: string;
}

const hour = 3_600_000;
const units = [hour, hour, 24 * hour, 24 * hour, 60_000, 1_000, "month"] as const;
const lasts = ["PT1H", "PT36H", "P3D", "P5W", "PT90M"];

/** Null asks for no range: everything. */
export function randomRange(random: Random, span: { from: string; until: string }): AskedRange | null {
  const first = Date.parse(span.from);
  const width = Date.parse(span.until) - first;
  const any = (): number => first + (random() * 1.4 - 0.2) * width;
  const kind = random();
  if (kind < 0.12) return null;
  const unit = pick(random, units);
  const [a, b] = [any(), any()].sort((x, y) => x - y) as [number, number];
  const from = onEdge(a, unit);
  const to = onEdge(b, unit);
  if (kind < 0.2) return { from: iso(from) };
  if (kind < 0.26) return { to: iso(to) };
  if (kind < 0.32) return { last: pick(random, lasts) };
  return from < to ? { from: iso(from), to: iso(to) } : { from: iso(from), to: iso(from + hour) };
}

function onEdge(at: number, unit: number | "month"): number {
  if (unit !== "month") return Math.floor(at / unit) * unit;
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

const iso = (at: number): string => new Date(at).toISOString();
