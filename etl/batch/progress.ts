/** How far a refresh has come, and two ways to show it: a bar on a terminal, JSON lines elsewhere. */

export type Stage =
  | "lookups"
  | "coverage"
  | "changed"
  | "compact"
  | "unload"
  | "audit"
  | "load"
  | "publish"
  | "sweep";

export interface Progress {
  readonly stage: Stage;
  readonly done: number;
  /** `done` of a finished stage. */
  readonly total: number;
  /** What is counted: partitions, periods, shards … */
  readonly unit: string;
  /** Items written or removed so far, where the stage does. */
  readonly items?: number;
  /** Events counted so far. */
  readonly rows?: number;
}

export interface ProgressOptions {
  /** Where to write: `process.stdout`, say. */
  readonly write: (text: string) => void;
  readonly clock: () => number;
  readonly terminal: boolean;
  /** What is refreshed: the product's name. */
  readonly subject: string;
}

export function progressRenderer(options: ProgressOptions): (event: Progress) => void {
  return options.terminal ? bars(options) : jsonLines(options);
}

const barWidth = 24;
const redrawMs = 80; // often enough to look alive

/** One line per stage, redrawn in place. */
function bars({ write, clock, subject }: ProgressOptions): (event: Progress) => void {
  let stage: Stage | null = null;
  let started = 0;
  let drawn = 0;
  return (event) => {
    const now = clock();
    if (event.stage !== stage) [stage, started, drawn] = [event.stage, now, 0];
    const finished = event.done >= event.total;
    if (!finished && now - drawn < redrawMs) return;
    drawn = now;
    write(`\r\u001b[K${subject} ${line(event, now - started)}${finished ? "\n" : ""}`);
    if (finished) stage = null;
  };
}

/** `load     ████░░░░ 12/48 periods, 9.3/s, 4 s left` */
function line({ stage, done, total, unit }: Progress, elapsedMs: number): string {
  const filled = total === 0 ? barWidth : Math.round((barWidth * Math.min(done, total)) / total);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  return `${stage.padEnd(8)} ${bar} ${done}/${total} ${unit}${pace(done, total, elapsedMs)}`;
}

function pace(done: number, total: number, elapsedMs: number): string {
  if (done === 0 || elapsedMs === 0) return "";
  const perSecond = (done * 1_000) / elapsedMs;
  if (done >= total) return `, ${(elapsedMs / 1_000).toFixed(1)} s`;
  return `, ${perSecond.toFixed(1)}/s, ${Math.ceil((total - done) / perSecond)} s left`;
}

/** One line per finished stage, for logs. */
function jsonLines({ write, clock, subject }: ProgressOptions): (event: Progress) => void {
  let stage: Stage | null = null;
  let started = 0;
  return ({ stage: current, done, total, unit }) => {
    if (current !== stage) [stage, started] = [current, clock()];
    if (done < total) return;
    write(
      `${JSON.stringify({ refresh: subject, stage: current, done, unit, durationMs: clock() - started })}\n`,
    );
    stage = null;
  };
}
