/** The durable document of a replay: its clock, and where it goes on. */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import { type Clock, clockKey } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Stream } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import { type Effects, untilDone } from "./effects.ts";

export interface ReplayClock extends Clock {
  /** Where the clock started. */
  readonly from: Instant;
  /** Every row up to this number is acknowledged; 0 before the first. */
  readonly row: number;
  /** The time of that row; null before the first. */
  readonly last: Instant | null;
  /** Per shard the last sequence number acknowledged: rows whose put was not answered are behind it. */
  readonly tails: Readonly<Record<string, string>>;
}

export interface ReplayClockOptions {
  readonly stream: Stream;
  readonly control: ControlStore;
  readonly effects: Effects;
}

/** The stored clock, or one that starts at `from`. */
export async function openClock(options: ReplayClockOptions, from: Instant): Promise<Versioned<ReplayClock>> {
  const found = await readClock(options);
  if (found !== null) return found;
  return moveClock(options, null, { at: from, from, row: 0, last: null, tails: {} });
}

/** Rejects with `CONFLICT` when another replay of the stream has moved it: two would put every row twice. */
export async function moveClock(
  options: ReplayClockOptions,
  expected: number | null,
  value: ReplayClock,
): Promise<Versioned<ReplayClock>> {
  const { control, effects, stream } = options;
  const revision = await untilDone(effects, "Writing the replay's clock", () =>
    control.put(clockKey(stream), value, expected),
  );
  if (revision !== null) return { value, revision };
  // a repeated write finds its own first attempt, whose answer was lost
  const found = await readClock(options);
  if (found !== null && found.value.row === value.row && found.value.at === value.at) return found;
  throw new SluiceError(
    "CONFLICT",
    `One replay runs per stream. Another one has moved the clock of "${stream.name}". Stop one of them.`,
  );
}

function readClock({ control, effects, stream }: ReplayClockOptions): Promise<Versioned<ReplayClock> | null> {
  return untilDone(effects, "Reading the replay's clock", () => control.get<ReplayClock>(clockKey(stream)));
}
