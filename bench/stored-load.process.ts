/**
 * Stored queries at a fixed rate, timed from when each was due: a gateway that stalls delays them all. Gets the queries,
 * sends what it measured when told to stop, and begins again.
 */
import { answeredCount, type Counted } from "./questions.ts";

export interface StoredLoad {
  readonly perSecond: number;
  readonly questions: readonly Counted[];
}

/** Milliseconds. */
export interface Latencies {
  readonly answers: number;
  readonly p50: number;
  readonly p99: number;
  /** What was wrong, if anything was. */
  readonly wrong: string | null;
}

let stopped = (): void => {};

async function measure({ perSecond, questions }: StoredLoad): Promise<Latencies> {
  const taken: number[] = [];
  const failures: string[] = [];
  const asked: Promise<void>[] = [];
  const started = performance.now();
  const ask = async (question: Counted, due: number): Promise<void> => {
    const failure = await answeredCount(question).catch(String);
    taken.push(performance.now() - due);
    if (failure !== null) failures.push(failure);
  };
  const timer = setInterval(() => {
    // as many as are due by now, also when this process was late
    while (started + (asked.length * 1_000) / perSecond <= performance.now())
      asked.push(
        ask(questions[asked.length % questions.length]!, started + (asked.length * 1_000) / perSecond),
      );
  }, 1);
  await new Promise<void>((resolve) => (stopped = resolve));
  clearInterval(timer);
  await Promise.all(asked);
  taken.sort((a, b) => a - b);
  const at = (share: number): number => taken[Math.ceil(taken.length * share) - 1] ?? Number.NaN;
  return { answers: taken.length, p50: at(0.5), p99: at(0.99), wrong: failures[0] ?? null };
}

process.on("message", (message: StoredLoad | "stop") => {
  if (message === "stop") stopped();
  else void measure(message).then((latencies) => process.send?.(latencies));
});
process.on("disconnect", () => process.exit(0));
