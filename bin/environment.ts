/** The environment, read once and checked: nothing else looks at `process.env`. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Retention } from "../etl/batch/deps.ts";
import type { AdHocLimits } from "../src/loaders/ad-hoc/limits.ts";
import { SluiceError } from "../src/model/errors.ts";
import { dayMs, formatDuration, hourMs, parseDuration } from "../src/model/time.ts";

export interface Environment {
  /** The folder of the embedded cloud and of the sample lake. */
  readonly data: string;
  /** The folder whose .ts files declare the products. */
  readonly products: string;
  readonly port: number;
  readonly host: string;
  /** The embedded cloud, or an AWS account with the SDK's own configuration. */
  readonly cloud: "local" | "aws";
  readonly replaySpeed: number | "max";
  readonly windowMs: number;
  readonly adHocWaitMs: number;
  readonly adHocLimits: AdHocSettings;
  readonly cursorSecret: string | null;
  /** Where the processes of a deployment meet; null: each for itself. It may hold a password. */
  readonly redis: string | null;
  /** How long a feed may be resumed. */
  readonly feedRetainMs: number;
  readonly socketTickMs: number;
  /** What can be rolled back to. */
  readonly retention: Retention;
  readonly logLevel: string;
}

/** Gateways over the same stores have the same. */
export type AdHocSettings = Pick<AdHocLimits, "concurrency" | "bytesPerDay" | "pendingMs" | "maxRunMs">;

/** The settings, as `--help` lists them. */
export const settings: readonly (readonly [name: string, meaning: string])[] = [
  ["SLUICE_DATA", "folder of the embedded cloud and the sample lake (default .sluice)"],
  ["SLUICE_PRODUCTS", "folder whose .ts files declare the products (default products)"],
  ["PORT, HOST", "where the gateway listens (default 4000 on 127.0.0.1)"],
  ["SLUICE_CLOUD", "local (default) or aws: the account of the AWS SDK's own configuration"],
  ["SLUICE_REPLAY_SPEED", "speed of the replay: a factor (default 600) or max"],
  ["SLUICE_WINDOW_MS", "width of a micro-batch in milliseconds (default 1000; stream: 60000)"],
  ["SLUICE_AD_HOC_WAIT_MS", "how long a request waits for its ad-hoc fields (default 20000)"],
  ["SLUICE_AD_HOC_CONCURRENCY", "Athena executions at a time for them, of all gateways together (default 5)"],
  ["SLUICE_AD_HOC_BUDGET", "what a tenant may scan a day (UTC), as 500MB, 100GB or 1TB (default 1TB)"],
  [
    "SLUICE_AD_HOC_LEASE",
    "how long an execution goes on after AD_HOC_PENDING, as ISO 8601 (default PT5M; PT0S: not at all)",
  ],
  ["SLUICE_AD_HOC_TIMEOUT", "the longest run of one execution, as ISO 8601 (default PT30M)"],
  ["SLUICE_KEEP_EDITIONS", "how many of the newest editions stay, to roll back to (default 10)"],
  ["SLUICE_KEEP_FOR", "how long every edition stays, as ISO 8601 (default P7D)"],
  [
    "SLUICE_CURSOR_SECRET",
    "signs feed cursors; the same on every gateway (default: made anew at each start)",
  ],
  [
    "SLUICE_REDIS",
    "carries live updates between processes: redis://[user:password@]host[:port], or rediss:// (default: none)",
  ],
  ["SLUICE_FEED_RETAIN", "how long a feed may be resumed, as ISO 8601 (default PT1H)"],
  [
    "SLUICE_SOCKET_TICK_MS",
    "for how long updates to a socket are gathered into one write, in milliseconds (default 50; 0: not at all)",
  ],
  ["SLUICE_LOG", "log level: debug, info, warn (default), error or silent (stream without a terminal: info)"],
];

export function readEnvironment(env: NodeJS.ProcessEnv, cwd: string): Environment {
  return {
    data: resolve(cwd, env.SLUICE_DATA ?? ".sluice"),
    products: resolve(cwd, env.SLUICE_PRODUCTS ?? "products"),
    port: wholeNumber("PORT", env.PORT ?? "4000", 0, 65_535),
    host: env.HOST ?? "127.0.0.1",
    cloud: oneOf("SLUICE_CLOUD", env.SLUICE_CLOUD ?? "local", ["local", "aws"]),
    replaySpeed: replaySpeedOf("SLUICE_REPLAY_SPEED", env.SLUICE_REPLAY_SPEED ?? "600"),
    windowMs: wholeNumber("SLUICE_WINDOW_MS", env.SLUICE_WINDOW_MS ?? "1000", 10, 600_000),
    adHocWaitMs: wholeNumber("SLUICE_AD_HOC_WAIT_MS", env.SLUICE_AD_HOC_WAIT_MS ?? "20000", 0, 600_000),
    adHocLimits: {
      concurrency: wholeNumber("SLUICE_AD_HOC_CONCURRENCY", env.SLUICE_AD_HOC_CONCURRENCY ?? "5", 1, 1_000),
      bytesPerDay: bytes("SLUICE_AD_HOC_BUDGET", env.SLUICE_AD_HOC_BUDGET ?? "1TB"),
      pendingMs: durationWithin("SLUICE_AD_HOC_LEASE", env.SLUICE_AD_HOC_LEASE ?? "PT5M", 0, dayMs),
      maxRunMs: durationWithin(
        "SLUICE_AD_HOC_TIMEOUT",
        env.SLUICE_AD_HOC_TIMEOUT ?? "PT30M",
        1_000,
        4 * hourMs, // as far as Athena's own limit of a DML statement can be raised
      ),
    },
    retention: {
      editions: wholeNumber("SLUICE_KEEP_EDITIONS", env.SLUICE_KEEP_EDITIONS ?? "10", 1, 10_000),
      ms: duration("SLUICE_KEEP_FOR", env.SLUICE_KEEP_FOR ?? "P7D"),
    },
    cursorSecret: env.SLUICE_CURSOR_SECRET ?? null,
    redis: env.SLUICE_REDIS === undefined ? null : redisUrl("SLUICE_REDIS", env.SLUICE_REDIS),
    feedRetainMs: durationWithin("SLUICE_FEED_RETAIN", env.SLUICE_FEED_RETAIN ?? "PT1H", 1_000, 7 * dayMs),
    socketTickMs: wholeNumber("SLUICE_SOCKET_TICK_MS", env.SLUICE_SOCKET_TICK_MS ?? "50", 0, 1_000),
    logLevel: oneOf("SLUICE_LOG", env.SLUICE_LOG ?? "warn", ["debug", "info", "warn", "error", "silent"]),
  };
}

export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most)
    throw new SluiceError(
      "BAD_USER_INPUT",
      `${name} is a whole number from ${least} to ${most}. Got "${text}".`,
    );
  return value;
}

function duration(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new SluiceError("BAD_USER_INPUT", `${name}: ${(cause as Error).message}`, { cause });
  }
}

function durationWithin(name: string, text: string, leastMs: number, mostMs: number): number {
  const ms = duration(name, text);
  if (ms >= leastMs && ms <= mostMs) return ms;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `${name} lies between ${formatDuration(leastMs)} and ${formatDuration(mostMs)}. Got "${text}".`,
  );
}

const units = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 } as const;

function bytes(name: string, text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?([KMGTP]?B)$/i.exec(text.trim()) ?? [];
  const value = Math.round(Number(amount) * units[unit?.toUpperCase() as keyof typeof units]);
  if (Number.isSafeInteger(value)) return value;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `${name} is an amount of bytes with its unit: 500MB, 100GB or 1TB. Got "${text}".`,
  );
}

/** What arrived is not shown: it may hold a password. */
function redisUrl(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isRedis = url?.protocol === "redis:" || url?.protocol === "rediss:";
  if (isRedis && url.hostname !== "" && /^(?:\/\d*)?$/.test(url.pathname) && decodes(url)) return text;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `${name} is redis://[user:password@]host[:port][/database], or rediss:// for TLS. Got something else; characters like @ or / in a password are percent-encoded.`,
  );
}

function decodes({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

/** Event time per real time, or as fast as possible. */
export function replaySpeedOf(name: string, text: string): number | "max" {
  if (text === "max") return text;
  const value = Number(text);
  if (!(value > 0))
    throw new SluiceError("BAD_USER_INPUT", `${name} is a positive number or max. Got "${text}".`);
  return value;
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found === undefined)
    throw new SluiceError("BAD_USER_INPUT", `${name} is one of ${allowed.join(", ")}. Got "${text}".`);
  return found;
}

/** Where the services of the embedded cloud listen. */
export interface Endpoints {
  readonly dynamodb: string;
  readonly kinesis: string;
  readonly athena: string;
  readonly s3: string;
}

export const endpointsFile = (data: string): string => join(data, "endpoints.json");

/** The endpoints of the embedded cloud that serves a data folder. Throws when none does. */
export function readEndpoints(data: string): Endpoints {
  const file = endpointsFile(data);
  if (!existsSync(file))
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `No embedded cloud serves ${data}. Start one with "npm start" (everything) or "sluice cloud" (only the cloud), or set SLUICE_DATA or SLUICE_CLOUD=aws.`,
    );
  return JSON.parse(readFileSync(file, "utf8")) as Endpoints;
}
