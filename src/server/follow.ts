/** A shared subscription as a transport follows it: payloads go to the outbox, its end and its errors to whoever waits. */
import { SlowConsumerError } from "../model/errors.ts";
import type { Asked, Member, SharedOperations } from "../subscriptions/shared-operations.ts";
import type { Lane, Outbox } from "./outbox.ts";

export interface Following {
  /** Resolves when the subscription is over or left, rejects with what ended it. */
  readonly over: Promise<void>;
  leave(): void;
}

const maxUnsent = 256 * 1024; // bytes, of who is caught up

export function follow(
  operations: SharedOperations,
  asked: Asked,
  outbox: Outbox,
  laneOf: (keeps: Lane["keeps"], behind: () => void) => Lane,
): Following {
  let cursor: string | null = null;
  let leave = (): void => {};
  let unsent = 0;
  let makeRoom = (): void => {};
  let settle!: { resolve: () => void; reject: (error: unknown) => void };
  const over = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  const behind = (): void => {
    leave();
    makeRoom();
    settle.reject(new SlowConsumerError(cursor));
  };
  const feed = laneOf("all", behind);
  const state = laneOf("newest", behind);
  const member: Member = {
    next: (payload) => {
      unsent += payload.bytes.length;
      const sent = (): void => {
        cursor = payload.cursor ?? cursor;
        unsent -= payload.bytes.length;
        if (unsent <= maxUnsent) makeRoom();
      };
      outbox.add(payload.at === undefined ? state : feed, payload.bytes, sent);
    },
    done: () => settle.resolve(),
    failed: (error) => settle.reject(error),
    room: () => (unsent <= maxUnsent ? null : new Promise((resolve) => (makeRoom = resolve))),
  };
  leave = operations.join(asked, member);
  return {
    over,
    leave: () => {
      leave();
      makeRoom();
      outbox.drop(feed);
      outbox.drop(state);
      settle.resolve();
    },
  };
}
