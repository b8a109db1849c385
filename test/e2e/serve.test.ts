/** `sluice serve` as a user runs it: gateways beside `sluice start`, over one Redis. One is killed, its client goes on. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { testRedis, type TestRedis } from "../broadcast/redis-server.ts";
import { data, follow, type Following, socket } from "./client.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const dayMs = 86_400_000;

interface Started {
  readonly process: ChildProcess;
  readonly url: string;
  output(): string;
}

let folder: string;
let redis: TestRedis;
const launched: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-serve-"));
  redis = await testRedis();
  // four years of days, at most four days a second: the replay outlasts the tests
  await started("start", { REPLAY_FROM: "2012-02-01T00:00:00Z" });
});

afterAll(async () => {
  for (const child of launched.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
});

it("refuses to share a Redis without a shared secret", async () => {
  const refused = await launch("serve", { SLUICE_CURSOR_SECRET: undefined });
  expect(await once(refused.process, "close")).toEqual([1, null]);
  expect(refused.output()).toContain("SLUICE_REDIS is set, SLUICE_CURSOR_SECRET is not");
});

it("tells of another process's micro-batches, each event once over two gateways", async () => {
  const [one, other] = [await started("serve"), await started("serve")];
  const early = followFeed(one, null);
  await early.until((messages) => messages.length > 5, "pages of one gateway");
  const updates = follow(socket(`${other.url}/graphql`), "subscription { weatherReportUpdated { days } }");
  const updated = (): number => updates.messages.at(-1)?.data.weatherReportUpdated.days ?? 0;
  await vi.waitFor(() => expect(updated()).toBeGreaterThan(0), { timeout: 30_000 });
  const before = updated();
  one.process.kill("SIGKILL");
  await once(one.process, "exit");
  const late = followFeed(other, early.messages.at(-1)!.data.weatherFeed.cursor as string);
  await late.until((messages) => messages.length > 10, "pages of the other gateway");
  await vi.waitFor(() => expect(updated()).toBeGreaterThan(before), { timeout: 30_000 });
  late.stop();
  updates.stop();
  expectEveryDay([...early.messages, ...late.messages].flatMap(({ data: page }) => page.weatherFeed.events));
});

it("serves without Redis, says what that means, and stops at SIGTERM", async () => {
  const alone = await started("serve", { SLUICE_REDIS: undefined });
  expect(alone.output()).toContain("insight subscriptions move with refreshes only, and feeds stay silent");
  const asked = `{ weatherReport(range: {from: "2012-01-01T00:00:00Z", to: "2012-02-01T00:00:00Z"}) { days } }`;
  expect(await data(`${alone.url}/graphql`, asked)).toEqual({ weatherReport: { days: 31 } });
  alone.process.kill("SIGTERM");
  expect(await once(alone.process, "exit")).toEqual([0, null]);
});

/** One event per day, replayed in their order: none twice, and all between those that every shard has told. */
function expectEveryDay(events: readonly { id: string; day: string }[]): void {
  const days = new Map<string, number[]>();
  for (const { id, day } of events) {
    const shard = id.split(":")[0]!;
    days.set(shard, [...(days.get(shard) ?? []), Date.parse(day) / dayMs]);
  }
  const shards = [...days.values()];
  for (const shard of shards) expect(shard).toEqual([...new Set(shard)].sort((a, b) => a - b));
  const from = Math.max(...shards.map((shard) => shard[0]!));
  const to = Math.min(...shards.map((shard) => shard.at(-1)!));
  const told = shards.flat().filter((day) => day >= from && day <= to);
  expect(told.sort((a, b) => a - b)).toEqual(Array.from({ length: to - from + 1 }, (_, i) => from + i));
  expect(told.length).toBeGreaterThan(5);
}

function followFeed({ url }: Started, after: string | null): Following {
  const query = "subscription ($after: Cursor) { weatherFeed(after: $after) { cursor events { id day } } }";
  return follow(socket(`${url}/graphql`), query, { after });
}

async function started(command: "start" | "serve", extra: Settings = {}): Promise<Started> {
  const child = await launch(command, extra);
  await vi.waitFor(
    () => {
      if (child.process.exitCode !== null) throw new Error(`It ended: ${child.output()}`);
      expect(child.output()).toMatch(command === "start" ? /Paste this query:/ : /Sluice serves/);
    },
    { timeout: 50_000, interval: 100 },
  );
  return child;
}

type Settings = Readonly<Record<string, string | undefined>>;

async function launch(command: string, extra: Settings): Promise<Started> {
  const port = await freePort();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SLUICE_DATA: folder,
    SLUICE_PRODUCTS: file("./weather"),
    SLUICE_REDIS: redis.url,
    SLUICE_CURSOR_SECRET: "of the test",
    SLUICE_WINDOW_MS: "200",
    PORT: String(port),
    ...extra,
  };
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), command], { env });
  launched.push(child);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { process: child, url: `http://127.0.0.1:${port}`, output: () => output };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
