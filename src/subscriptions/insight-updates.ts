/**
 * An insight that moves. Delivery: a snapshot, then its newer states in order, coalesced to the latest while the
 * consumer is busy; the last state is always delivered, none twice. Once the snapshot is sent, a store that is not
 * reachable delays newer states and ends nothing. Of the updates of its source, those that cannot move it cost nothing.
 */
import { setTimeout as timer } from "node:timers/promises";
import type { Broadcast, Broadcasted } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import type { Insight, LiveReading, Question, Session } from "../schema/context.ts";
import { following } from "./following.ts";
import { LiveReadings } from "./live-readings.ts";

export interface InsightState {
  readonly session: Session;
  readonly insight: Insight;
}

export interface InsightWorkings {
  readonly broadcast: Broadcast;
  /** How long to wait before asking a store that is not reachable again. */
  readonly retryMs: () => number;
}

/** What is asked, and what is told besides: a new state is one in which any of them has changed. */
export interface Followed {
  readonly question: Question;
  readonly besides: (insight: Insight) => Promise<readonly Insight[]>;
}

/** Rejects `NOT_LIVE` before the snapshot when no live rollup carries the slice, and `BACKEND_UNAVAILABLE` before it only. */
export function insightUpdates(
  { broadcast, retryMs }: InsightWorkings,
  followed: Followed,
  newSession: () => Session,
): AsyncIterable<InsightState> {
  return following(async function* (change, ended) {
    // before the snapshot is read: what moves meanwhile raises the latch, and the state is read again
    const { product } = followed.question;
    const readings = new LiveReadings(product);
    const unsubscribe = broadcast.subscribe(({ message }) => {
      if (!concerns(message, product)) return;
      if (message.kind !== "live" || readings.mayMove(message)) change.raise();
    });
    try {
      let sent: string | undefined;
      while (!ended.aborted) {
        readings.forget();
        const state = await ask(followed, newSession()).catch((error: unknown) => {
          if (sent === undefined || !isOutage(error)) throw error;
          return null;
        });
        if (state === null) {
          // cut short by the end
          await timer(retryMs(), undefined, { signal: ended }).catch(() => {});
          continue;
        }
        const { stamp, reads, ...answer } = state;
        readings.know(reads);
        if (stamp !== sent) {
          sent = stamp;
          yield answer;
        }
        await change.taken();
      }
    } finally {
      unsubscribe();
    }
  });
}

function concerns(message: Broadcasted, product: Product): boolean {
  switch (message.kind) {
    case "live":
      return message.source === product.source.name;
    case "published":
      return message.product === product.name;
    case "gap":
      return message.stream === null || message.stream === product.source.stream?.name;
  }
}

async function ask(
  { question, besides }: Followed,
  session: Session,
): Promise<InsightState & { readonly stamp: string; readonly reads: readonly (LiveReading | null)[] }> {
  const insight = await session.insight(question);
  requireLive(insight);
  const others = await besides(insight);
  for (const other of others) requireLive(other);
  const all = [insight, ...others];
  const stamps = await Promise.all(all.map((each) => each.stamp()));
  return { session, insight, stamp: stamps.join("\n"), reads: all.map((each) => each.liveReading()) };
}

function requireLive(insight: Insight): void {
  const refusal = insight.notLive();
  if (refusal !== null) throw new SluiceError("NOT_LIVE", refusal);
}

function isOutage(error: unknown): boolean {
  return error instanceof SluiceError && error.code === "BACKEND_UNAVAILABLE";
}
