/**
 * The Athena fallback under load: two gateway processes over one embedded cloud. Every answer is held against a count by
 * DuckDB; a wrong one, or more executions than there may be, ends in exit code 1.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GetQueryExecutionCommand } from "@aws-sdk/client-athena";
import { backends } from "../bin/backends.ts";
import { type Clients, closeClients, localClients, provision } from "../bin/clients.ts";
import type { Endpoints } from "../bin/environment.ts";
import { refreshDeps } from "../bin/system.ts";
import { refresh } from "../etl/batch/run.ts";
import type { Product } from "../src/model/product.ts";
import { executionsSince, mostAtOnce } from "./executions.ts";
import { messageOf, start, stop } from "./processes.ts";
import { answeredCount, ask, type Counted, type Questions, questionsOf } from "./questions.ts";
import type { Latencies, StoredLoad } from "./stored-load.process.ts";
import { buildLake, subject } from "./subject.ts";

const concurrency = 3; // executions at a time: as many as the embedded Athena runs
const asked = 1_000; // ad-hoc questions, half to each gateway
const distinctPerSecond = 100; // faster than they are worked off: most of them wait
const alone = 31; // questions one after another; odd, for the median
const storedPerSecond = 50;
const warmUpMs = 3_000;
const idleMs = 20_000;

interface Stage {
  readonly clients: Clients;
  readonly questions: ReturnType<Questions>;
  readonly load: ChildProcess;
}

interface Figures {
  readonly executionsForIdentical: number;
  readonly p99Ratio: number;
  readonly overheadMs: number;
}

const children: ChildProcess[] = [];
const data = mkdtempSync(join(tmpdir(), "sluice-bench-"));
const wrong: string[] = [];
try {
  const figures = await bench(await openStage());
  console.log(JSON.stringify({ bench: "fallback", figures }));
} finally {
  for (const child of children.toReversed()) await stop(child);
  rmSync(data, { recursive: true, force: true });
}
for (const each of wrong.slice(0, 10)) console.error(`wrong: ${each}`);
if (wrong.length > 0) process.exitCode = 1;

async function openStage(): Promise<Stage> {
  const { product } = await subject();
  await buildLake(data, 1);
  const endpoints = await messageOf<Endpoints>(begin("./cloud.process.ts", [data]));
  const clients = localClients(endpoints);
  await publish(product, clients);
  const gateways = [0, 1].map(() => begin("./gateway.process.ts", [data, String(concurrency)]));
  const urls = await Promise.all(gateways.map((gateway) => messageOf<string>(gateway)));
  const questions = (await questionsOf(data, product))((i) => urls[i % urls.length]!);
  return { clients, questions, load: begin("./stored-load.process.ts", []) };
}

function begin(module: string, args: readonly string[]): ChildProcess {
  const started = start(module, args);
  children.push(started);
  return started;
}

async function publish(product: Product, clients: Clients): Promise<void> {
  await provision(clients, [product]);
  const stores = backends(clients);
  const settings = { retention: { editions: 10, ms: 0 }, progress: () => {} };
  await refresh(product, refreshDeps(product, stores, settings));
  await stores.gold.close();
}

async function bench(stage: Stage): Promise<Figures> {
  const { questions } = stage;
  await storedDuring(stage, () => sleep(warmUpMs));
  const overheadMs = await overhead(stage);
  const identical = await worked(stage, () =>
    answerAll(questions.identical(asked), Number.POSITIVE_INFINITY),
  );
  const idle = await storedDuring(stage, () => sleep(idleMs));
  let busy = idle;
  const distinct = await worked(stage, async () => {
    busy = await storedDuring(stage, () => answerAll(questions.distinct(alone, asked), distinctPerSecond));
  });
  closeClients(stage.clients);
  return report({ overheadMs, identical, distinct, idle, busy });
}

/** What stored queries take while something else is done. */
async function storedDuring(
  { load, questions: { stored } }: Stage,
  work: () => Promise<unknown>,
): Promise<Latencies> {
  load.send({ perSecond: storedPerSecond, questions: stored } satisfies StoredLoad);
  await work();
  load.send("stop");
  const latencies = await messageOf<Latencies>(load);
  if (latencies.wrong !== null) wrong.push(latencies.wrong);
  return latencies;
}

/** Median of what an answer takes beyond what its execution took by Athena's own account. */
async function overhead({ clients, questions }: Stage): Promise<number> {
  const beyond: number[] = [];
  for (const question of questions.distinct(0, alone)) {
    const started = performance.now();
    const { extensions } = await ask(question.url, question.query);
    const tookMs = performance.now() - started;
    const QueryExecutionId = extensions?.sluice.provenance[0]?.queryId;
    const { QueryExecution } = await clients.athena.send(new GetQueryExecutionCommand({ QueryExecutionId }));
    beyond.push(tookMs - QueryExecution!.Statistics!.TotalExecutionTimeInMillis!);
  }
  return beyond.sort((a, b) => a - b)[(alone - 1) >> 1]!;
}

/** So many are asked a second, each of its gateway, whatever has been answered; what is answered wrongly is noted. */
async function answerAll(questions: readonly Counted[], rate: number): Promise<void> {
  const failures = await Promise.all(
    questions.map(async (question, i) => {
      await sleep((i * 1_000) / rate);
      return answeredCount(question).catch(String);
    }),
  );
  wrong.push(...failures.filter((failure) => failure !== null));
}

interface Worked {
  readonly seconds: number;
  readonly executions: number;
  readonly atOnce: number;
}

async function worked({ clients }: Stage, work: () => Promise<void>): Promise<Worked> {
  const since = Date.now();
  await work();
  const seconds = (Date.now() - since) / 1_000;
  const executions = await executionsSince(clients, since);
  const atOnce = mostAtOnce(executions);
  if (atOnce > concurrency)
    wrong.push(`At most ${concurrency} executions are at Athena at a time. Got ${atOnce}.`);
  return { seconds, executions: executions.length, atOnce };
}

function report({
  overheadMs,
  identical,
  distinct,
  idle,
  busy,
}: {
  readonly overheadMs: number;
  readonly identical: Worked;
  readonly distinct: Worked;
  readonly idle: Latencies;
  readonly busy: Latencies;
}): Figures {
  const times = ({ answers, p50, p99 }: Latencies) =>
    `p50 ${p50.toFixed(1).padStart(6)} ms   p99 ${p99.toFixed(1).padStart(6)} ms   (${answers.toLocaleString("en")} answers)`;
  const runs = ({ seconds, executions, atOnce }: Worked) =>
    `${executions.toLocaleString("en")} executions, at most ${atOnce} at a time, in ${seconds.toFixed(1)} s`;
  const figures = {
    executionsForIdentical: identical.executions,
    p99Ratio: Number((busy.p99 / idle.p99).toFixed(2)),
    overheadMs: Math.round(overheadMs),
  };
  if (identical.executions !== 1) wrong.push(`One question is one execution. Got ${identical.executions}.`);
  console.log(`
Two gateways, ${concurrency} executions at a time
  ${asked.toLocaleString("en")} identical questions   ${runs(identical)}
  ${asked.toLocaleString("en")} distinct questions    ${runs(distinct)}; ${distinctPerSecond} come a second
  stored queries, ${storedPerSecond} a second
    idle                      ${times(idle)}
    beside the distinct ones  ${times(busy)}   ratio ${figures.p99Ratio}
  one ad-hoc question         ${figures.overheadMs} ms beyond what Athena took (median of ${alone})`);
  return figures;
}
