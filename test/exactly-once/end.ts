/** What must be right when all is quiet. */
import type { Ear } from "./ear.ts";
import { dayMs, type Oracle, type Visit } from "./oracle.ts";
import type { World } from "./world.ts";

export async function checkEnd(world: World, oracle: Oracle, ear: Ear): Promise<void> {
  checkSame("The archive", await world.archived(), oracle.counted);
  await checkQueried(world, oracle);
  await checkLetters(world, oracle);
  ear.checkTold(await world.liveItems());
}

/** Every visit that was applied is in the lake once, also as queries see it. */
async function checkQueried(world: World, { counted }: Oracle): Promise<void> {
  const days = new Map<string, Visit[]>();
  for (const visit of counted) {
    const day = new Date(visit.at).toISOString().slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), visit]);
  }
  const first = new Date(world.clock.start - dayMs).toISOString().slice(0, 10);
  for (const [day, visits] of days)
    if (day !== first) checkSame(`The table, on ${day},`, await world.queried(day), visits);
}

function checkSame(what: string, found: readonly Visit[], right: readonly Visit[]): void {
  const textOf = ({ id, at, shop, amount, member }: Visit) => JSON.stringify([id, at, shop, amount, member]);
  const [has, wanted] = [found.map(textOf).sort(), right.map(textOf).sort()];
  if (has.join("\n") === wanted.join("\n")) return;
  const missing = wanted.filter((each) => !has.includes(each));
  const foreign = has.filter((each) => !wanted.includes(each));
  throw new Error(
    `${what} holds ${has.length} visits (${new Set(has).size} different) of ${wanted.length}. Missing: ${missing.join(" ")}. Not produced: ${foreign.join(" ")}.`,
  );
}

/** in = applied + dead: the dead letters are what was poison and what was too late, and nothing else. */
async function checkLetters(world: World, { dead }: Oracle): Promise<void> {
  const letters = await world.letters();
  for (const { shard, sequence, index, reason, bytes } of letters) {
    const right = dead.get(`${shard}#${sequence}#${index}`);
    const text = Buffer.from(bytes).toString();
    if (right?.reason !== reason || right.text !== text)
      throw new Error(
        `The dead letter ${shard} ${sequence} ${index} is ${reason} ${text}, not ${right?.reason ?? "one"} ${right?.text ?? ""}.`,
      );
  }
  if (letters.length !== dead.size)
    throw new Error(`There are ${letters.length} dead letters, not ${dead.size}.`);
}
