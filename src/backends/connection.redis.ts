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
const connectMs = 2_000;

export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  #opened: Opened | null = null;
  #closed = false;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
  }

  /**
   * Rejects `BACKEND_UNAVAILABLE` when Redis is not reachable, refuses, or has not answered within `withinMs`. What was
   * sent may be done all the same, and what was sent over a connection that broke is sent again: it may be done twice.
   */
  async run<T>(work: (commands: RedisCommands) => Promise<T>, withinMs: number): Promise<T> {
    const { url, wait } = this.#options;
    const settled = new AbortController();
    const late = wait(withinMs, settled.signal).then((): never => {
      throw new Error(`No answer within ${withinMs} ms.`);
    });
    const working = this.#attempt(work, settled.signal);
    try {
      return await Promise.race([working, late]);
    } catch (cause) {
      settled.abort();
      if (!(cause instanceof ErrorReply) && this.#opened !== null) this.#drop(this.#opened);
      throw unavailable(url, cause);
    } finally {
      settled.abort();
      // whichever has lost the race
      working.catch(() => {});
      late.catch(() => {});
    }
  }

  async #attempt<T>(
    work: (commands: RedisCommands) => Promise<T>,
    settled: AbortSignal,
    first = true,
  ): Promise<T> {
    if (this.#closed) throw new Error("The connection was closed.");
    const reused = this.#opened !== null;
    const current = (this.#opened ??= opened(this.#options.url, (broken) => this.#drop(broken)));
    try {
      return await work(await current.commands);
    } catch (error) {
      // a refusal came through; everything else leaves the connection in an unknown state
      if (error instanceof ErrorReply) throw error;
      this.#drop(current);
      // an old one may have been broken long before
      if (!first || !reused || settled.aborted) throw error;
      return this.#attempt(work, settled, false);
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
    // one that was connecting has a socket only now
    broken.commands.then(
      () => broken.client.destroy(),
      () => {},
    );
  }
}

function opened(url: string, broken: (which: Opened) => void) {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxUnanswered,
    maintNotifications: "disabled",
    socket: { reconnectStrategy: false, connectTimeout: connectMs },
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
