/** `sluice cloud`, `sluice stream` and `sluice serve` as processes that are stopped and killed. */
import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Endpoints } from "../../bin/environment.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface Running {
  readonly pid: number;
  /** SIGTERM. Resolves to its exit code and what it wrote to stdout. */
  stop(): Promise<{ readonly code: number | null; readonly stdout: string }>;
  /** kill -9 */
  kill(): Promise<void>;
}

export interface RunningStream extends Running {
  readonly url: string;
  /** The metrics of the moment; null when the process does not answer any more. */
  scrape(): Promise<Metrics | null>;
  /** Bytes of its heap, behind a collection of all garbage; null when the process does not answer any more. */
  heap(): Promise<number | null>;
}

/** The value of a sample as it is written, `name{label="…"}`; NaN where there is none. */
export type Metrics = (sample: string) => number;

/** The embedded cloud of a data folder. */
export async function startCloud(data: string): Promise<Running & { readonly endpoints: Endpoints }> {
  const child = sluice(["cloud"], data);
  const [message] = (await firstOf(child, once(child.process, "message"))) as [{ endpoints: Endpoints }];
  return { ...running(child), endpoints: message.endpoints };
}

/** Resolves when it reads. */
export async function startStream(
  data: string,
  args: readonly string[],
  settings: Settings = {},
): Promise<RunningStream> {
  const collecting = `data:text/javascript,${encodeURIComponent(answersHeap)}`;
  const execArgv = ["--expose-gc", "--import", collecting];
  const child = sluice(["stream", ...args, "--metrics-port", "0"], data, settings, execArgv);
  const url = await firstOf(
    child,
    firstMatch(child.process.stderr!, /"metrics":"(http[^"]+)".*"msg":"reading"/),
  );
  return { ...running(child), url, scrape: () => scrape(url), heap: () => heapOf(child) };
}

const answersHeap = `process.on("message", (message) => {
  if (message !== "heap") return;
  gc();
  process.send({ heap: process.memoryUsage().heapUsed });
});`;

async function heapOf(child: Child): Promise<number | null> {
  const answer = firstOf(child, once(child.process, "message")) as Promise<[{ heap: number }]>;
  child.process.send("heap", () => {});
  return answer.then(
    ([{ heap }]) => heap,
    () => null,
  );
}

/** A gateway. Resolves when it serves. */
export async function startServe(
  data: string,
  settings: Settings,
): Promise<Running & { readonly url: string }> {
  const child = sluice(["serve"], data, settings);
  const url = await firstOf(
    child,
    firstMatch(child.process.stdout!, /Sluice serves .* on (http\S+)\/graphql /),
  );
  return { ...running(child), url };
}

/** Runs to its end. */
export async function runSluice(args: readonly string[], data: string) {
  const child = sluice(args, data);
  const code = await child.closed;
  return { code, output: child.stdout() + child.stderr() };
}

interface Child {
  readonly process: ChildProcess;
  /** Resolves to its exit code. */
  readonly closed: Promise<number | null>;
  stdout(): string;
  stderr(): string;
}

/** Of the environment. */
export type Settings = Readonly<Record<string, string>>;

function sluice(
  args: readonly string[],
  data: string,
  settings: Settings = {},
  execArgv: string[] = [],
): Child {
  const own = { SLUICE_DATA: data, SLUICE_PRODUCTS: file("products"), SLUICE_LOG: "info" };
  const env = { ...process.env, ...own, ...settings };
  const child = fork(file("../../bin/sluice.mjs"), args, {
    env,
    execArgv,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const heard = { stdout: "", stderr: "" };
  child.stdout!.on("data", (chunk: Buffer) => (heard.stdout += chunk.toString()));
  child.stderr!.on(
    "data",
    (chunk: Buffer) => (heard.stderr = (heard.stderr + chunk.toString()).slice(-20_000)),
  );
  const closed = once(child, "close").then(([code]) => code as number | null);
  return { process: child, closed, stdout: () => heard.stdout, stderr: () => heard.stderr };
}

/** Rejects when the process ends before. */
function firstOf<T>(child: Child, event: Promise<T>): Promise<T> {
  const ended = child.closed.then((code): never => {
    throw new Error(`It ended with code ${String(code)}: ${child.stdout()}${child.stderr()}`);
  });
  ended.catch(() => {});
  return Promise.race([event, ended]);
}

function firstMatch(stream: Readable, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    stream.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
      const [, found] = pattern.exec(heard) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
}

function running(child: Child): Running {
  const end = (signal: NodeJS.Signals): Promise<number | null> => {
    child.process.kill(signal);
    return child.closed;
  };
  return {
    pid: child.process.pid!,
    stop: async () => ({ code: await end("SIGTERM"), stdout: child.stdout() }),
    kill: async () => void (await end("SIGKILL")),
  };
}

async function scrape(url: string): Promise<Metrics | null> {
  const text = await fetch(`${url}/metrics`)
    .then((response) => response.text())
    .catch(() => null);
  if (text === null) return null;
  const samples = new Map(
    text
      .split("\n")
      .map((line) => line.match(/^(\S.*) (\S+)$/)?.slice(1) as [string, string])
      .filter(Boolean),
  );
  return (sample) => Number(samples.get(sample) ?? Number.NaN);
}

/** Resident memory of a process. */
export async function residentMegabytes(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return (Number(stdout) * 1_024) / 1_000_000;
}
