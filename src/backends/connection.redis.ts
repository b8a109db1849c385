/**
 * One connection to Redis or Valkey: made when it is needed, given up when it breaks or does not answer in time, and made
 * anew for the next command. Nothing waits in it for Redis to come back.
 */
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import { SluiceError } from "../model/errors.ts";

export interface RedisConnectionOptions {
  /** redis://[user:password@]host[:port][/database], or rediss:// for TLS. */
  readonly url: string;
  /** Resolves after so many milliseconds, or as soon as the signal is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Replies hold bytes, not text. */
export type RedisCommands = Awaited<ReturnType<typeof opened>["commands"]>;

type Opened = ReturnType<typeof opened>;

const maxUnanswered = 10_000; // commands

export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  #opened: Opened | null = null;
  #closed = false;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
  }

  /**
   * Rejects `BACKEND_UNAVAILABLE` when Redis is not reachable, refuses, or has not answered within `withinMs`. What was
   * sent may be done all the same.
   */
  async run<T>(work: (commands: RedisCommands) => Promise<T>, withinMs: number): Promise<T> {
    const { url, wait } = this.#options;
    if (this.#closed) throw unavailable(url, new Error("The connection was closed."));
    const current = (this.#opened ??= opened(url, (broken) => this.#drop(broken)));
    const settled = new AbortController();
    const late = wait(withinMs, settled.signal).then(() => {
      throw new Error(`No answer within ${withinMs} ms.`);
    });
    const working = current.commands.then(work);
    try {
      return await Promise.race([working, late]);
    } catch (cause) {
      // a refusal came through; everything else leaves the connection in an unknown state
      if (!(cause instanceof ErrorReply)) this.#drop(current);
      throw unavailable(url, cause);
    } finally {
      settled.abort();
      // whichever has lost the race
      working.catch(() => {});
      late.catch(() => {});
    }
  }

  /** Rejects what runs. */
  close(): void {
    this.#closed = true;
    if (this.#opened !== null) this.#drop(this.#opened);
  }

  #drop(broken: Opened): void {
    if (this.#opened === broken) this.#opened = null;
    broken.client.destroy();
  }
}

function opened(url: string, broken: (which: Opened) => void) {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxUnanswered,
    maintNotifications: "disabled",
    socket: { reconnectStrategy: false },
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  const commands = client.connect().then(() => client);
  const which = { client, commands };
  client.on("error", () => broken(which));
  return which;
}

/** The password is no part of the message. */
function unavailable(url: string, cause: unknown): SluiceError {
  const { protocol, host } = new URL(url);
  return new SluiceError(
    "BACKEND_UNAVAILABLE",
    `Redis at ${protocol}//${host} is not reachable or refuses: ${(cause as Error).message}`,
    { cause },
  );
}
