/**
 * The soak: packed readings put at a steady pace, the consumer killed and started again all the time, shards split and
 * merged, one line of a hundred poison. Then the consumer lives on, the backlog drains, and every number is known.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Backends, backends } from "../../bin/backends.ts";
import { type Clients, closeClients, localClients } from "../../bin/clients.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { caughtUp } from "../live/live-run.ts";
import { ConsumerLives, type LastLife, type LifeSample } from "./lives.ts";
import { residentMegabytes, type Running, startCloud } from "./processes.ts";
import { produceAt, type Production } from "./producer.ts";
import "./products/readings.ts";
import type { Recount, Tallies } from "./readings.ts";
import { type Resharding, reshardEvery } from "./resharding.ts";
import { appliedReadings, archivedTallies, deadLetters, storedTallies } from "./stored.ts";

export interface SoakOptions {
  readonly seconds: number;
  /** Told about once a second. */
  readonly progress?: (progress: SoakProgress) => void;
}

export type Phase = "killed" | "lives on" | "drains";

export interface SoakProgress {
  readonly phase: Phase;
  readonly seconds: number;
  readonly put: number;
  readonly applied: number;
  readonly dead: number;
  readonly backlog: number;
  readonly kills: number;
  readonly reshards: number;
  /** 0 between two lives. */
  readonly consumerMb: number;
  readonly cloudMb: number;
}

export interface Soaked {
  readonly recount: Recount;
  readonly stored: Tallies;
  readonly archived: Tallies;
  /** By reason. */
  readonly letters: Readonly<Record<string, number>>;
  readonly last: LastLife;
  readonly lives: readonly (readonly LifeSample[])[];
  readonly progress: readonly SoakProgress[];
  readonly putSeconds: number;
  readonly drainSeconds: number;
}

export const eventsPerSecond = 5_000;
const killedShare = 0.75; // of the time; then one life goes on under the same load, and its memory can be watched
const reshardMs = 6_000;
/** A life is short: what it is behind has to come in pieces that it lives to finish. */
const windowBytes = 1_000_000;
const tellMs = 1_000;

interface Soak {
  readonly data: string;
  readonly cloud: Running;
  readonly clients: Clients;
  readonly stores: Backends;
  readonly lives: ConsumerLives;
  readonly production: Production;
  readonly resharding: Resharding;
  readonly beganAt: number;
  readonly progress: SoakProgress[];
  readonly report: (progress: SoakProgress) => void;
}

const product = declaredProducts().find(({ name }) => name === "MachineLoad")!;
const stream = product.source.stream!;

export async function runSoak({ seconds, progress = () => {} }: SoakOptions): Promise<Soaked> {
  const data = mkdtempSync(join(tmpdir(), "sluice-soak-"));
  const cloud = await startCloud(data);
  const clients = localClients(cloud.endpoints);
  const stores = backends(clients);
  const lives = new ConsumerLives(data, ["--window", "1000", "--bytes", String(windowBytes)]);
  try {
    // the first one makes the tables and the stream
    await lives.begin();
    const production = produceAt(stores.replayStreamOf(stream), eventsPerSecond);
    const resharding = reshardEvery(reshardMs, clients.kinesis, stream.name);
    const parts = { data, cloud, clients, stores, lives, production, resharding };
    const soak = { ...parts, beganAt: Date.now(), progress: [], report: progress };
    await load(soak, seconds);
    const putSeconds = secondsIn(soak);
    await drain(soak);
    return { ...(await outcome(soak)), putSeconds, drainSeconds: secondsIn(soak) - putSeconds };
  } finally {
    await lives.kill();
    closeClients(clients);
    await stores.gold.close();
    await cloud.stop();
    rmSync(data, { recursive: true });
  }
}

const secondsIn = ({ beganAt }: Soak): number => (Date.now() - beganAt) / 1_000;

async function load(soak: Soak, seconds: number): Promise<void> {
  const killing = seconds * killedShare;
  await telling(
    soak,
    "killed",
    soak.lives.torment(() => secondsIn(soak) < killing),
  );
  await telling(soak, "lives on", wait((seconds - secondsIn(soak)) * 1_000));
  await soak.resharding.stop();
  await soak.production.stop();
}

async function drain(soak: Soak): Promise<void> {
  await telling(soak, "drains", caughtUp(soak.stores, soak.stores.streamOf(product.source)!, product));
}

async function telling(soak: Soak, phase: Phase, work: Promise<void>): Promise<void> {
  const isOver = work.then(() => true);
  while (!(await Promise.race([isOver, wait(tellMs)]))) await tell(soak, phase);
  await tell(soak, phase);
}

async function tell(soak: Soak, phase: Phase): Promise<void> {
  const { clients, production, lives, resharding, cloud } = soak;
  const { applied: put, dead } = production.recount;
  const applied = await appliedReadings(clients.dynamodb);
  const now = {
    phase,
    seconds: secondsIn(soak),
    put: put + dead,
    applied,
    dead,
    backlog: Math.max(0, put - applied),
    kills: lives.kills,
    reshards: resharding.count,
    consumerMb: await lives.sample(),
    cloudMb: await residentMegabytes(cloud.pid),
  };
  soak.progress.push(now);
  soak.report(now);
}

async function outcome({ data, clients, lives, production, progress }: Soak) {
  return {
    recount: production.recount,
    last: await lives.end(),
    stored: await storedTallies(clients.dynamodb),
    archived: await archivedTallies(data),
    letters: await deadLetters(clients.dynamodb),
    lives: lives.samples,
    progress,
  };
}
