/** A Redis of the test's own: a real redis-server on a free port, which can be killed, stopped and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { waitFor } from "../../etl/live/effects.ts";
import {
  type RedisBroadcast,
  redisBroadcast,
  type RedisBroadcastOptions,
} from "../../src/backends/broadcast.redis.ts";

export interface TestRedis {
  readonly url: string;
  /** Sends commands of the test's own, each over a new connection. */
  command(...words: string[]): Promise<unknown>;
  /** With -9. What was appended stays when it `keeps`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

/** Whatever ends the tests, their servers end with them. */
const running = new Set<ChildProcess>();
process.once("exit", () => running.forEach((server) => server.kill("SIGKILL")));

export async function testRedis({ keeps = false } = {}): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-redis-"));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | null = null;
  const kill = async (): Promise<void> => {
    if (server === null) return;
    const ended = new Promise((resolve) => server!.once("exit", resolve));
    server.kill("SIGKILL");
    await ended;
    running.delete(server);
    server = null;
  };
  const start = async (): Promise<void> => {
    const appended = ["--appendonly", keeps ? "yes" : "no", "--appendfsync", "always"];
    const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
    server = spawn("redis-server", [...place, ...appended], { stdio: "ignore" });
    const failed = new Promise<never>((_, reject) => {
      server!.once("error", reject);
      server!.once("exit", (code, signal) => reject(new Error(`redis-server has ended: ${code ?? signal}.`)));
    });
    failed.catch(() => {});
    running.add(server);
    await Promise.race([answers(url), failed]);
  };
  const command = (...words: string[]) => withClient(url, (client) => client.sendCommand(words));
  const remove = async (): Promise<void> => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  await start();
  return { url, command, kill, start, signal: (signal) => void server!.kill(signal), remove };
}

/** A process of a deployment, as far as its broadcast goes. */
export function node(
  { url }: Pick<TestRedis, "url">,
  key: string,
  settings: Partial<RedisBroadcastOptions> = {},
): Promise<RedisBroadcast> {
  const retained = { retainMs: 3_600_000, retainMax: 10_000 };
  const effects = { random: Math.random, wait: waitFor, warn: () => {} };
  return redisBroadcast({ url, key, ...retained, ...effects, ...settings });
}

async function answers(url: string): Promise<void> {
  for (;;) {
    const pong = await withClient(url, (client) => client.ping()).catch(() => null);
    if (pong !== null) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function withClient<T>(
  url: string,
  work: (client: ReturnType<typeof createClient>) => Promise<T>,
): Promise<T> {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  try {
    await client.connect();
    return await work(client as ReturnType<typeof createClient>);
  } finally {
    client.destroy();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
