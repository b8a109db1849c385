/** What a soak has come to: checks, figures and a table. */
import type { LifeSample } from "./lives.ts";
import { eventsPerSecond, type Soaked, type SoakProgress } from "./soak.ts";

/** Megabytes at the beginning and at the end; null where there are too few samples. */
export interface Growth {
  readonly first: number;
  readonly last: number;
}

const fewSamples = 3;

/** The heap of lives at their first micro-batches: in the first third of the lives, and in the last. */
export function heapAcrossLives({ lives }: Soaked): Growth | null {
  return growthOf(lives.slice(0, -1).flatMap((samples) => heapsAtWork(samples).slice(0, 1)));
}

/** The heap of the life that was not killed: in its first third, and in its last. */
export function heapOfLastLife({ lives }: Soaked): Growth | null {
  return growthOf(heapsAtWork(lives.at(-1)!));
}

const mayGrowBy = 1.25;
const mayGrowMb = 15; // what running micro-batches hold, which differs from moment to moment

export function isGrown(growth: Growth | null): boolean {
  return growth !== null && growth.last > mayGrowBy * growth.first + mayGrowMb;
}

function heapsAtWork(samples: readonly LifeSample[]): number[] {
  return samples.filter(({ worked }) => worked).map(({ heapMb }) => heapMb);
}

function growthOf(series: readonly number[]): Growth | null {
  const third = Math.floor(series.length / 3);
  if (third < fewSamples) return null;
  return { first: median(series.slice(0, third)), last: median(series.slice(-third)) };
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
