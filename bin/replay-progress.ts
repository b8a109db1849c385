/** How far replays have come: a line that is drawn again on a terminal, JSON lines elsewhere. */
import type { ReplayProgress } from "../etl/live/replay.ts";
import type { Source } from "../src/model/source.ts";
import { formatInstant } from "../src/model/time.ts";

export interface ReplayProgressOptions {
  readonly write: (text: string) => void;
  readonly clock: () => number;
  readonly terminal: boolean;
}

interface Shown {
  readonly progress: ReplayProgress;
  readonly startedAt: number;
  toldAt: number;
}

const redrawMs = 100; // often enough to look alive
const lineMs = 10_000; // between two lines of a log about one source

export function replayProgress(
  options: ReplayProgressOptions,
): (source: Source, progress: ReplayProgress) => void {
  const { write, clock, terminal } = options;
  const replays = new Map<string, Shown>();
  return ({ name }, progress) => {
    const now = clock();
    const known = replays.get(name);
    const shown = { progress, startedAt: known?.startedAt ?? now, toldAt: known?.toldAt ?? now };
    replays.set(name, shown);
    if (!progress.done && now - shown.toldAt < (terminal ? redrawMs : lineMs)) return;
    shown.toldAt = now;
    if (!terminal) write(`${jsonLine(name, shown, now)}\n`);
    else {
      write(`\r\u001b[K${[...replays].map(([source, each]) => text(source, each, now)).join(" · ")}`);
      if ([...replays.values()].every((each) => each.progress.done)) write("\n");
    }
  };
}

/** `Order: 12,000 events, 2001-06-29 14:05, 8,500/s` */
function text(source: string, { progress: { rows, time, done }, startedAt }: Shown, now: number): string {
  const parts = [`${rows.toLocaleString("en")} events`];
  if (time !== null) parts.push(formatInstant(time).slice(0, 16).replace("T", " "));
  if (rows > 0) parts.push(`${ratePerSecond(rows, now - startedAt).toLocaleString("en")}/s`);
  if (done) parts.push("all of it");
  return `${source}: ${parts.join(", ")}`;
}

function jsonLine(replay: string, { progress: { rows, time, done }, startedAt }: Shown, now: number): string {
  const eventsPerSecond = ratePerSecond(rows, now - startedAt);
  const at = time === null ? null : formatInstant(time);
  return JSON.stringify({ replay, rows, time: at, eventsPerSecond, done });
}

/** The first report comes when the first rows are put already, so that a short replay has no rate to speak of. */
function ratePerSecond(rows: number, elapsedMs: number): number {
  return Math.round((rows * 1_000) / Math.max(1, elapsedMs));
}
