/**
 * An insight that moves. Delivery: a snapshot, then its newer states in order, coalesced to the latest while the
 * consumer is busy; the last state is always delivered, none twice.
 */
import type { Broadcast, Broadcasted } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import type { Insight, Question, Session } from "../schema/context.ts";
import { following } from "./following.ts";

export interface InsightState {
  readonly session: Session;
  readonly insight: Insight;
}

/** Rejects `NOT_LIVE` before the snapshot when no live rollup carries the slice. */
export function insightUpdates(
  broadcast: Broadcast,
  question: Question,
  newSession: () => Session,
): AsyncIterable<InsightState> {
  return following(async function* (change, stopped) {
    // before the snapshot is read: what moves meanwhile raises the latch, and the state is read again
    const unsubscribe = broadcast.subscribe((message) => {
      if (concerns(message, question.product)) change.raise();
    });
    try {
      let sent: string | undefined;
      while (!stopped()) {
        const state = await ask(question, newSession());
        const stamp = await state.insight.stamp();
        if (stamp !== sent) {
          sent = stamp;
          yield state;
        }
        await change.taken();
      }
    } finally {
      unsubscribe();
    }
  });
}

/** A micro-batch of the source also moves how far the product is live, whichever items it touched. */
function concerns(message: Broadcasted, product: Product): boolean {
  return message.kind === "live" ? message.source === product.source.name : message.product === product.name;
}

async function ask(question: Question, session: Session): Promise<InsightState> {
  const insight = await session.insight(question);
  const refusal = insight.notLive();
  if (refusal !== null) throw new SluiceError("NOT_LIVE", refusal);
  return { session, insight };
}
