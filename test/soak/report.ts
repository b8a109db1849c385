/** What a soak has come to: checks, figures and a table. */
import type { LifeSample } from "./lives.ts";
import { eventsPerSecond, type Soaked, type SoakProgress } from "./soak.ts";

/** Megabytes at the beginning and at the end; null where there are too few samples. */
export interface Growth {
  readonly first: number;
  readonly last: number;
}

const youngMs = 2_000; // by then a life has loaded its code
const fewSamples = 3;

/** The heap of lives of the same age: of the first third of the lives, and of the last. */
export function heapAcrossLives({ lives }: Soaked): Growth | null {
  const heaps = lives.slice(0, -1).map((samples) => grownUp(samples)[0]);
  return growthOf(
    heaps.filter((heap) => heap !== undefined),
    median,
  );
}

/** The least heap of the life that was not killed, when garbage was just collected: in its first third and its last. */
export function heapOfLastLife({ lives }: Soaked): Growth | null {
  return growthOf(grownUp(lives.at(-1)!), (heaps) => Math.min(...heaps));
}

const mayGrowBy = 1.5;
const mayGrowMb = 30; // garbage that waits for its collection

export function isGrown(growth: Growth | null): boolean {
  return growth !== null && growth.last > mayGrowBy * growth.first + mayGrowMb;
}

function grownUp(samples: readonly LifeSample[]): number[] {
  return samples.filter(({ ageMs }) => ageMs > youngMs).map(({ heapMb }) => heapMb);
}

function growthOf(series: readonly number[], summary: (values: readonly number[]) => number): Growth | null {
  const third = Math.floor(series.length / 3);
  if (third < fewSamples) return null;
  return { first: summary(series.slice(0, third)), last: summary(series.slice(-third)) };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

export function figuresOf(soaked: Soaked) {
  const { recount, progress, putSeconds, drainSeconds, letters } = soaked;
  const put = recount.applied + recount.dead;
  const at = progress.at(-1)!;
  return {
    seconds: Math.round(putSeconds),
    eventsPut: put,
    eventsPerSecond: Math.round(put / putSeconds),
    applied: recount.applied,
    deadLetters: Object.values(letters).reduce((sum, count) => sum + count, 0),
    kills: at.kills,
    reshards: at.reshards,
    largestBacklog: Math.max(...progress.map(({ backlog }) => backlog)),
    drainSeconds: Math.round(drainSeconds),
    heapAcrossLivesMb: rounded(heapAcrossLives(soaked)),
    heapOfLastLifeMb: rounded(heapOfLastLife(soaked)),
    consumerMb: Math.round(Math.max(...progress.map(({ consumerMb }) => consumerMb))),
    cloudMb: Math.round(Math.max(...progress.map(({ cloudMb }) => cloudMb))),
  };
}

const rounded = (growth: Growth | null) =>
  growth && { first: Math.round(growth.first), last: Math.round(growth.last) };

const columns: readonly (readonly [title: string, width: number, of: (at: SoakProgress) => string])[] = [
  ["", 8, ({ phase }) => phase],
  ["s", 5, ({ seconds }) => String(Math.round(seconds))],
  ["put", 10, ({ put }) => shown(put)],
  ["applied", 10, ({ applied }) => shown(applied)],
  ["backlog", 9, ({ backlog }) => shown(backlog)],
  ["kills", 6, ({ kills }) => String(kills)],
  ["reshards", 9, ({ reshards }) => String(reshards)],
  ["consumer", 9, ({ consumerMb }) => (consumerMb === 0 ? "-" : `${Math.round(consumerMb)} MB`)],
  ["cloud", 9, ({ cloudMb }) => `${Math.round(cloudMb)} MB`],
];

export const header = columns.map(([title, width]) => title.padStart(width)).join(" ");

export function row(at: SoakProgress): string {
  return columns.map(([, width, of]) => of(at).padStart(width)).join(" ");
}

const shown = (count: number): string => count.toLocaleString("en");

export const title = (seconds: number): string =>
  `${shown(eventsPerSecond)} packed events/s for ${seconds} s; the consumer is killed with -9 every few seconds.`;
