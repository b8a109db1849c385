/** How far a refresh or a rebuild has come, and two ways to show it: a bar on a terminal, JSON lines elsewhere. */

export type Stage =
  | "lookups"
  | "coverage"
  | "changed"
  | "compact"
  | "unload"
  | "audit"
  | "load"
  | "publish"
  | "sweep"
  | "archive"
  | "stream"
  | "items";

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
  readonly work?: "refresh" | "rebuild";
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
  let drawn = -Infinity;
  return (event) => {
    const now = clock();
    if (event.stage !== stage) [stage, started, drawn] = [event.stage, now, -Infinity];
    const finished = event.done >= event.total;
    if (!finished && now - drawn < redrawMs) return;
    drawn = now;
    write(`\r\u001b[K${subject} ${line(event, now - started)}${finished ? "\n" : ""}`);
    if (finished) stage = null;
  };
}

/** `load     ████░░░░ 12/48 periods, 6,000 items, 1,500 items/s, 12 s left` */
function line(event: Progress, elapsedMs: number): string {
  const { stage, done, total, unit } = event;
  const filled = total === 0 ? barWidth : Math.round((barWidth * Math.min(done, total)) / total);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  const parts = [`${done}/${total} ${unit}`, ...counted(event), ...pace(event, elapsedMs)];
  return `${stage.padEnd(8)} ${bar} ${parts.join(", ")}`;
}

function counted({ rows, items }: Progress): string[] {
  return [
    ...(rows === undefined ? [] : [`${shown(rows)} rows`]),
    ...(items === undefined ? [] : [`${shown(items)} items`]),
  ];
}

/** The rate is that of the smallest thing that is counted; what remains is told by the share that is done. */
function pace({ done, total, unit, rows, items }: Progress, elapsedMs: number): string[] {
  if (elapsedMs === 0) return [];
  if (done >= total) return [`${(elapsedMs / 1_000).toFixed(1)} s`];
  const [count, name] =
    items !== undefined ? [items, "items"] : rows !== undefined ? [rows, "rows"] : [done, unit];
  const rate = count === 0 ? [] : [`${shown((count * 1_000) / elapsedMs)} ${name}/s`];
  const left = done === 0 ? [] : [`${Math.ceil((elapsedMs * (total - done)) / done / 1_000)} s left`];
  return [...rate, ...left];
}

/** 6,000 and 9.3. */
function shown(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** One line per finished stage, for logs. */
function jsonLines({ write, clock, subject, work = "refresh" }: ProgressOptions): (event: Progress) => void {
  let stage: Stage | null = null;
  let started = 0;
  return ({ stage: current, done, total, unit, rows, items }) => {
    if (current !== stage) [stage, started] = [current, clock()];
    if (done < total) return;
    // what is not known is left out by JSON
    const finished = { [work]: subject, stage, done, unit, rows, items, durationMs: clock() - started };
    write(`${JSON.stringify(finished)}\n`);
    stage = null;
  };
}
