/** Where a refresh is killed: what had been published, and what its lake has turned to. */
import type { Product } from "../../src/model/product.ts";
import { type Batch, SalesWorld } from "./sales-world.ts";
import { day, days, type Generation, salesActivity, takingsActivity } from "./sales.ts";

export interface Scenario {
  readonly name: string;
  readonly product: Product;
  readonly history: readonly Generation[];
  readonly next: Generation;
}

const firstDates = ["2024-01-31", "2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"];
// what the first edition wrote is written anew by the second one; in the third days stand beside their month
const first = days(firstDates, 1);
const second = days(firstDates, 2);
const third = { ...second, ...days(["2024-03-02", "2024-03-06"], 3) };
const { "2024-03-04": _, ...withoutFourth } = third;
const history = [first, second, third].map((lake) => ({ lake }));

const archived = { "day=2024-03-02/s1-1": day("2024-03-02", 1, [0, 7]) };
const more = { ...archived, "day=2024-03-02/s1-2": day("2024-03-02", 2, [23]) };
const later = { ...more, "day=2024-03-03/s1-3": day("2024-03-03", 3, [5]) };

export const scenarios: readonly Scenario[] = [
  {
    name: "every day is written anew",
    product: salesActivity,
    history,
    next: { lake: days(Object.keys(third), 4) },
  },
  {
    name: "one day changes, one comes and one goes",
    product: salesActivity,
    history,
    next: { lake: { ...withoutFourth, ...days(["2024-03-03", "2024-03-07"], 4) } },
  },
  {
    name: "the archive grows and the month closes",
    product: takingsActivity,
    history: [
      { lake: days(["2024-03-01"], 1), archive: archived, arrival: "2024-03-02T10:10:00Z" },
      { lake: days(["2024-03-01"], 2), archive: more, arrival: "2024-03-03T02:00:00Z" },
      { lake: days(["2024-03-01"], 2), archive: later, arrival: "2024-03-04T02:00:00Z" },
    ],
    next: {
      lake: days(["2024-03-01"], 2),
      archive: {
        ...later,
        "day=2024-03-02/s1-4": day("2024-03-02", 4, [12]),
        "day=2024-04-01/s1-5": day("2024-04-01", 4, [1]),
      },
      arrival: "2024-04-01T05:00:00Z",
    },
  },
];

/** The world of a scenario before its refresh: its history published and read. */
export async function worldOf(
  { product, history: past, next }: Scenario,
  batch: Batch,
  random: () => number,
): Promise<SalesWorld> {
  const world = new SalesWorld(product, batch, random);
  for (const generation of past) {
    world.turnTo(generation);
    await world.refresh();
    await world.read();
  }
  world.turnTo(next);
  return world;
}

/** What may happen to a lake: days are written anew, come and go; the archive grows and barriers pass. */
export function changed(generation: Generation, k: number, random: () => number): Generation {
  return generation.arrival === undefined
    ? { lake: changedDays(generation.lake, k, random) }
    : changedStream(generation, k, random);
}

function changedDays(lake: Generation["lake"], k: number, random: () => number): Generation["lake"] {
  const dates = Object.keys(lake).sort();
  const any = dates[Math.floor(random() * dates.length)]!;
  const chance = random();
  if (chance < 0.25) return days(dates, k);
  if (chance < 0.4 && dates.length > 3)
    return {
      ...Object.fromEntries(Object.entries(lake).filter(([date]) => date !== any)),
      ...days([dates[0]!], k),
    };
  const step = random() < 0.2 ? 30 : 1;
  return chance < 0.7
    ? { ...lake, ...days([any], k) }
    : { ...lake, ...days([plusDays(dates.at(-1)!, step)], k) };
}

function changedStream(
  { lake, archive = {}, arrival = "" }: Generation,
  k: number,
  random: () => number,
): Generation {
  const [date, time] = arrival.split("T") as [string, string];
  // what is archived had arrived an hour before the barrier at least: it is never late
  const hour = Number(time.slice(0, 2));
  const next =
    random() < 0.3
      ? `${plusDays(date, random() < 0.2 ? 30 : 1)}T04:10:00Z`
      : `${date}T${String(Math.min(hour + 2, 23)).padStart(2, "0")}:10:00Z`;
  const file = { [`day=${date}/s1-${k}`]: day(date, k, [hour]) };
  return {
    lake: random() < 0.2 ? days(Object.keys(lake), k) : lake,
    archive: { ...archive, ...file },
    arrival: next,
  };
}

function plusDays(date: string, by: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + by * 86_400_000).toISOString().slice(0, 10);
}
