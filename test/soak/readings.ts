/** Packed records of readings, and their plain recount: what every number in the stores is held against. */

/** [readings, energy, least, most] */
export type Tally = readonly [count: number, sum: number, least: number, most: number];

/** `rollup ["key"] hour` -> tally. */
export type Tallies = ReadonlyMap<string, Tally>;

export const plants = 20;
export const machinesPerPlant = 13;
export const liveItems = 1 + plants + plants * machinesPerPlant; // a day

interface Reading {
  readonly at: string;
  readonly plant: string;
  readonly machine: string;
  readonly energy: number;
  readonly record: number;
}

export interface PackedRecord {
  readonly number: number;
  readonly plant: string;
  readonly readings: readonly Reading[];
  readonly poisoned: number;
  readonly data: Uint8Array;
}

const poisonShare = 0.01;
const below = (bound: number): number => Math.floor(Math.random() * bound);

/** A record of so many lines, readings of one plant in the half hour before `now`; about one of a hundred is poison. */
export function randomRecord(number: number, lines: number, now: number): PackedRecord {
  const plant = `plant ${below(plants)}`;
  const readings: Reading[] = [];
  const packed: string[] = [];
  for (let i = 0; i < lines; i++) {
    const reading = randomReading(number, plant, now);
    if (Math.random() < poisonShare) {
      packed.push(poisonOf(reading, now));
      continue;
    }
    readings.push(reading);
    packed.push(JSON.stringify(reading));
  }
  const data = Buffer.from(packed.join("\n"));
  return { number, plant, readings, poisoned: lines - readings.length, data };
}

function randomReading(record: number, plant: string, now: number): Reading {
  return {
    at: new Date(now - below(1_800_000)).toISOString(),
    plant,
    machine: `${plant}, machine ${below(machinesPerPlant)}`,
    energy: below(20_000) - 5_000,
    record,
  };
}

const dayMs = 86_400_000;

/** Torn, of another type, without a value, not a number, too late, too early. */
function poisonOf(reading: Reading, now: number): string {
  const text = JSON.stringify(reading);
  const at = (ms: number): string => JSON.stringify({ ...reading, at: new Date(ms).toISOString() });
  const poisons = [
    text.slice(0, -2),
    JSON.stringify({ ...reading, energy: String(reading.energy) }),
    JSON.stringify({ ...reading, machine: null }),
    text.replace(/"energy":-?\d+/, '"energy":NaN'),
    at(now - dayMs),
    at(now + 2 * dayMs),
  ];
  return poisons[below(poisons.length)]!;
}

/** What the records hold, by every key of every rollup and hour. */
export class Recount {
  readonly tallies = new Map<string, Tally>();
  applied = 0;
  dead = 0;

  add({ readings, poisoned }: PackedRecord): void {
    for (const reading of readings) {
      const hour = `${reading.at.slice(0, 13)}:00:00.000Z`;
      this.count(`total [] ${hour}`, reading);
      this.count(`plant ${JSON.stringify([reading.plant])} ${hour}`, reading);
      this.count(`machine ${JSON.stringify([reading.machine])} ${hour}`, reading);
    }
    this.applied += readings.length;
    this.dead += poisoned;
  }

  private count(id: string, { energy }: Reading): void {
    const [count, sum, least, most] = this.tallies.get(id) ?? [0, 0, Infinity, -Infinity];
    this.tallies.set(id, [count + 1, sum + energy, Math.min(least, energy), Math.max(most, energy)]);
  }
}
