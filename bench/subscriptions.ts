/**
 * What a subscriber costs: a gateway beside a floor (a prebuilt frame written raw to every socket of `ws`) and beside
 * graphql-ws as its documentation has it. CPU is that of the server's process; the clients have one of their own.
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Asked, Load, Memory } from "./broadcasting.ts";
import { cpuOf, messageOf, start, stop } from "./processes.ts";
import { sensors } from "./readings.ts";
import type { ClientsAsked, Opening, Received } from "./subscriptions-clients.process.ts";

const noteBytes = 160; // a payload of about 500 bytes
const rounds = 5; // odd, for the medians
const roundSeconds = 2;
const settleMs = 500;
const stalledSubscribers = 1_000;
const stalledLoad = { updates: 1_200, perSecond: 100, readings: 1, filtered: false, noteBytes: 7_400 }; // 0.75 MB/s

interface Side {
  readonly name: "gateway" | "floor" | "graphql-ws";
  readonly server: ChildProcess;
  readonly clients: ChildProcess;
  readonly url: string;
  readonly asks: Opening["asks"];
}

interface Scenario {
  readonly title: string;
  readonly subscribers: number;
  readonly perSecond: number;
  readonly filtered: boolean;
  /** Of graphql-ws, where it would be saturated by as many. */
  readonly peerPerSecond: number;
}

interface Round extends Received {
  readonly cpuMicros: number;
}

interface Row {
  readonly name: Side["name"];
  readonly perSecond: number;
  readonly deliveriesPerSecond: number;
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssKib: number;
  readonly usedKib: number;
  /** CPU of each round, for ratios of rounds that ran one after another. */
  readonly cpuOfRounds: readonly number[];
}

type Table = Readonly<Record<Side["name"], Row>>;

const scenarios = {
  one: { title: "1 subscriber of one feed", subscribers: 1, perSecond: 4, filtered: false, peerPerSecond: 4 },
  some: {
    title: "1,000 subscribers of one feed",
    subscribers: 1_000,
    perSecond: 4,
    filtered: false,
    peerPerSecond: 4,
  },
  filters: {
    title: "1,000 filters, 250 readings an update",
    subscribers: sensors,
    perSecond: 4,
    filtered: true,
    peerPerSecond: 4,
  },
  quick: {
    title: "1,000 subscribers of one feed",
    subscribers: 1_000,
    perSecond: 100,
    filtered: false,
    peerPerSecond: 4,
  },
  many: {
    title: "10,000 subscribers of one feed",
    subscribers: 10_000,
    perSecond: 4,
    filtered: false,
    peerPerSecond: 0.5,
  },
} satisfies Record<string, Scenario>;

assertFiles();
const children: ChildProcess[] = [];
const wrong: string[] = [];
try {
  const frameBytes = await measuredFrame();
  console.log(`Frames of ${frameBytes} bytes; medians of ${rounds} interleaved rounds of ${roundSeconds} s`);
  const tables = new Map<string, Table>();
  const asked = process.argv.slice(2);
  for (const [name, scenario] of Object.entries(scenarios))
    if (asked.length === 0 || asked.includes(name)) tables.set(name, await measured(scenario, frameBytes));
  if (asked.length === 0 || asked.includes("stalled")) await stalled();
  report(tables.get("many"), tables.get("quick"));
} finally {
  for (const child of children) await stop(child);
}
for (const each of wrong.slice(0, 10)) console.error(`wrong: ${each}`);
if (wrong.length > 0) process.exitCode = 1;

/** A process opens a file per socket; Node raises its own limit as far as it may. */
function assertFiles(): void {
  const needed = scenarios.many.subscribers + 500;
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  if (limit !== "unlimited" && Number(limit) < needed)
    throw new Error(
      `A process of this bench opens ${needed} files. The limit is ${limit}. Raise it with ulimit -Hn.`,
    );
}

/** Bytes of the gateway's frame, header included. */
async function measuredFrame(): Promise<number> {
  const side = await openSide("gateway", 0);
  await connect(side, 1);
  const { bytesEach } = await round(
    side,
    { updates: 3, perSecond: 20, readings: 1, filtered: false, noteBytes },
    3,
  );
  await closeSide(side);
  return Math.round(bytesEach) + 4;
}

async function openSide(name: Side["name"], frameBytes: number, filtered = false): Promise<Side> {
  const module = { gateway: "gateway", floor: "floor", "graphql-ws": "peer" }[name];
  const server = begin(`./subscriptions-${module}.process.ts`, [String(frameBytes)]);
  const url = await messageOf<string>(server);
  const clients = begin("./subscriptions-clients.process.ts", []);
  return { name, server, clients, url, asks: name === "floor" ? null : filtered ? "sensor" : "feed" };
}

function begin(module: string, args: readonly string[]): ChildProcess {
  const started = start(module, args);
  children.push(started);
  return started;
}

async function closeSide({ server, clients }: Side): Promise<void> {
  await Promise.all([stop(clients), stop(server)]);
}

async function connect({ clients, url, asks }: Side, count: number): Promise<void> {
  tell(clients, { open: { url, count, asks, stalled: false } });
  await messageOf(clients);
  await sleep(settleMs);
}

function tell(clients: ChildProcess, asked: ClientsAsked): void {
  clients.send(asked);
}

function ask<T>(server: ChildProcess, asked: Asked): Promise<T> {
  server.send(asked);
  return messageOf<T>(server);
}

async function round({ name, server, clients }: Side, load: Load, deliveries: number): Promise<Round> {
  tell(clients, { await: deliveries });
  const before = await cpuOf(server);
  server.send({ load });
  const received = await messageOf<Received>(clients);
  const cpuMicros = ((await cpuOf(server)) - before) * 1e6;
  if (received.deliveries !== deliveries || received.closed > 0)
    wrong.push(
      `${name}: ${deliveries} deliveries were due. Got ${received.deliveries}; ${received.closed} sockets closed.`,
    );
  return { ...received, cpuMicros };
}

async function measured(scenario: Scenario, frameBytes: number): Promise<Table> {
  const { title, subscribers, perSecond } = scenario;
  console.log(`\n${title}, ${perSecond} updates/s`);
  const sides: { side: Side; memory: Memory; rounds: Round[] }[] = [];
  for (const name of ["gateway", "floor", "graphql-ws"] as const) {
    const side = await openSide(name, frameBytes, scenario.filtered);
    const memory = await memoryPerSubscriber(side, subscribers);
    sides.push({ side, memory, rounds: [] });
  }
  for (let i = 0; i <= rounds; i++)
    for (const { side, rounds: done } of sides) {
      const load = loadOf(scenario, side.name);
      const due = load.updates * (scenario.filtered ? load.readings : subscribers);
      const found = await round(side, load, due);
      if (i > 0) done.push(found); // the first warms up
    }
  for (const { side } of sides) await closeSide(side);
  const rows = sides.map(({ side, memory, rounds: done }) =>
    rowOf(side.name, loadOf(scenario, side.name).perSecond, memory, done),
  );
  for (const row of rows) printRow(row);
  return Object.fromEntries(rows.map((row) => [row.name, row])) as Table;
}

function loadOf({ perSecond, peerPerSecond, filtered }: Scenario, name: Side["name"]): Load {
  const rate = name === "graphql-ws" ? peerPerSecond : perSecond;
  const readings = filtered ? 250 : 1;
  return { updates: Math.ceil(rate * roundSeconds), perSecond: rate, readings, filtered, noteBytes };
}

async function memoryPerSubscriber(side: Side, subscribers: number): Promise<Memory> {
  const before = await ask<Memory>(side.server, "memory");
  await connect(side, subscribers);
  const after = await ask<Memory>(side.server, "memory");
  return {
    rssBytes: (after.rssBytes - before.rssBytes) / subscribers,
    usedBytes: (after.usedBytes - before.usedBytes) / subscribers,
  };
}

function rowOf(name: Side["name"], perSecond: number, memory: Memory, done: readonly Round[]): Row {
  const of = (figure: (round: Round) => number) => median(done.map(figure));
  return {
    name,
    perSecond,
    deliveriesPerSecond: of(({ deliveries, seconds }) => deliveries / seconds),
    cpuMicros: of(({ cpuMicros, deliveries }) => cpuMicros / deliveries),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    rssKib: memory.rssBytes / 1_024,
    usedKib: memory.usedBytes / 1_024,
    cpuOfRounds: done.map(({ cpuMicros, deliveries }) => cpuMicros / deliveries),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!;
}

function printRow(row: Row): void {
  const at = (value: number, digits: number, width: number) =>
    value
      .toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .padStart(width);
  console.log(
    `  ${row.name.padEnd(10)} ${at(row.perSecond, 1, 6)}/s ${at(row.deliveriesPerSecond, 0, 8)} deliveries/s ${at(row.cpuMicros, 2, 8)} µs CPU each   p50 ${at(row.p50Ms, 1, 7)} ms  p99 ${at(row.p99Ms, 1, 7)} ms   ${at(row.usedKib, 1, 6)} KiB used, ${at(row.rssKib, 1, 6)} KiB resident each`,
  );
}

/** Sockets that read nothing, and a feed that does not wait for them: what the gateway keeps for them, second by second. */
async function stalled(): Promise<void> {
  const side = await openSide("gateway", 0);
  const { server, clients, url } = side;
  tell(clients, { open: { url, count: stalledSubscribers, asks: "feed", stalled: true } });
  await messageOf(clients);
  const before = await ask<Memory>(server, "memory");
  server.send({ load: stalledLoad });
  const samples: Memory[] = [];
  for (let second = 0; second < stalledLoad.updates / stalledLoad.perSecond; second++) {
    await sleep(1_000);
    samples.push(await ask<Memory>(server, "memory"));
  }
  await closeSide(side);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const grown = samples.map(({ usedBytes }) => mib(usedBytes - before.usedBytes)).join(", ");
  const most = Math.max(...samples.map(({ rssBytes }) => rssBytes)) - before.rssBytes;
  console.log(`\n${stalledSubscribers.toLocaleString("en")} subscribers that read nothing, 0.75 MB/s
  gateway    MiB used beyond what it had before, each second: ${grown}; resident at most ${mib(most)}`);
}

/** Over rounds that ran next to each other, as far as both scenarios were asked for. */
function report(many: Table | undefined, quick: Table | undefined): void {
  const ratio = (table: Table | undefined, of: Side["name"]) =>
    table === undefined
      ? null
      : round2(median(table[of].cpuOfRounds.map((cpu, i) => cpu / table.floor.cpuOfRounds[i]!)));
  const figures = {
    deliveryRatio: ratio(many, "gateway"),
    coalescedRatio: ratio(quick, "gateway"),
    kibPerSubscriber: many === undefined ? null : round2(many.gateway.rssKib),
    p99Ms: many === undefined ? null : round2(many.gateway.p99Ms),
    graphqlWsRatio: ratio(many, "graphql-ws"),
  };
  console.log(`
CPU per delivery over the floor's, medians of the rounds
  10,000 subscribers at 4/s    gateway ${figures.deliveryRatio}, graphql-ws ${figures.graphqlWsRatio}
  1,000 subscribers at 100/s   gateway ${figures.coalescedRatio}, frames of a tick in one write`);
  console.log(JSON.stringify({ bench: "subscriptions", figures }));
}

function round2(value: number): number {
  return Number(value.toFixed(2));
}
