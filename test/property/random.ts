/** Numbers that are the same in every run, and choices made of them. */

/** Numbers in [0, 1). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

/** Each of them with the given probability, in their order. */
export const some = <T>(random: Random, from: readonly T[], probability: number): T[] =>
  from.filter(() => random() < probability);

/** At least one of them, in their order. */
export function someOf<T>(random: Random, from: readonly T[], probability: number): T[] {
  const chosen = some(random, from, probability);
  return chosen.length > 0 ? chosen : [pick(random, from)];
}
