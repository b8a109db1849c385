/** The line for slots: who has left costs nothing, and stands in nobody's way. */
import { beforeEach, expect, test } from "vitest";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { AdHocDeps } from "../../src/loaders/ad-hoc/deps.ts";
import { adHocLimits } from "../../src/loaders/ad-hoc/limits.ts";
import { Slots } from "../../src/loaders/ad-hoc/slots.ts";
import type { SlotsDocument } from "../../src/model/ad-hoc-job.ts";
import { patience, tenant } from "./world.ts";

let now: number;
let calls: number;
let slots: SlotsDocument | null;
let revision: number;

beforeEach(() => {
  now = 0;
  calls = 0;
  slots = null;
  revision = 0;
});

/** Holds the one document. */
function store(): ControlStore {
  return {
    get: () => {
      calls++;
      return Promise.resolve(slots && { value: slots, revision });
    },
    put: (_key: unknown, value: SlotsDocument, expected: unknown) => {
      calls++;
      if (expected !== (slots && revision)) return Promise.resolve(null);
      slots = value;
      return Promise.resolve(++revision);
    },
  } as unknown as ControlStore;
}

function processes(): (name: string) => Slots {
  const deps = {
    jobs: store(),
    limits: { ...adHocLimits, concurrency: 1 },
    clock: () => now,
    wait: () => new Promise((resolve) => setImmediate(resolve)),
    random: () => 0.5,
  } as unknown as AdHocDeps;
  return (name) => new Slots(deps, name, () => Promise.resolve());
}

const stays = new AbortController().signal;
const line = () => Object.keys(slots?.waiting ?? {});

test("those who have left the line cost the next one no call", async () => {
  const here = processes()("here");
  await here.take(tenant("a"), "holder", stays);
  const leaving = new AbortController();
  const left = Array.from({ length: 100 }, (_, i) => here.take(tenant("a"), `left ${i}`, leaving.signal));
  const next = here.take(tenant("a"), "next", stays);
  leaving.abort();
  expect(await Promise.all(left)).not.toContain(true);
  const before = calls;
  await here.free("holder");
  expect(await next).toBe(true);
  expect(calls - before).toBeLessThan(20);
  expect(Object.keys(slots!.holders)).toEqual(["next"]);
});

test("a process keeps its place in line while anybody of it waits, and no longer", async () => {
  const here = processes()("here");
  await here.take(tenant("a"), "holder", stays);
  const [first, second] = [new AbortController(), new AbortController()];
  const taken = [first, second].map(({ signal }, i) => here.take(tenant("a"), `${i}`, signal));
  await expect.poll(line, patience).toEqual(["here"]);
  const { since } = slots!.waiting["here"]!;
  now += 3_000;
  first.abort();
  expect(await taken[0]).toBe(false);
  await expect.poll(() => slots!.waiting["here"]?.until, patience).toBe(now + 5_000);
  expect(slots!.waiting["here"]!.since).toBe(since);
  second.abort();
  await expect.poll(line, patience).toEqual([]);
});

test("a process that has died in line is forgotten", async () => {
  const process = processes();
  const here = process("here");
  await here.take(tenant("a"), "holder", stays);
  slots = { ...slots!, waiting: { dead: { since: now, until: now + 5_000 } } };
  revision++;
  now += 5_000;
  const next = here.take(tenant("a"), "next", stays);
  await expect.poll(line, patience).toEqual(["here"]);
  await here.free("holder");
  expect(await next).toBe(true);
  expect(slots.waiting).toEqual({});
});
