/** What the id of a question depends on: equal ids have one answer. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { expect, test } from "vitest";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { LookupVersions } from "../../src/loaders/ad-hoc/lookup-versions.ts";
import { type AdHocAsk, pose } from "../../src/loaders/ad-hoc/questions.ts";
import type { LakePage, LookupVersion } from "../../src/model/control.ts";
import { lookup } from "../../src/model/lookup.ts";
import { Column, Source, sourceFor } from "../../src/model/source.ts";
import { tenant } from "./world.ts";

@Source({
  table: "ids.visits",
  time: "at",
  description: "Visits.",
  lookups: [lookup({ table: "ids.houses", on: { house: "id" }, take: { town: "town" } })],
})
class Visit {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) house!: string;
  @Column(() => Int) guests!: number;
  @Column(() => String, { nullable: true }) town!: string | null;
}

const range = { from: Date.UTC(2024, 0, 1), to: Date.UTC(2024, 0, 2) };
const page = (fingerprint: string): LakePage => ({
  "2024-01-01": { fingerprint, gold: null, rows: 1, newest: null },
});

function ask(column: "town" | "house", partitions = page("f")): AdHocAsk {
  return {
    source: sourceFor(Visit),
    question: { where: [{ op: "eq", column, value: "x" }], range, by: null },
    aggregates: [{ kind: "sum", column: "guests" }],
    partitions: async () => partitions,
  };
}

const version = { folder: "lookups/1/", fingerprint: "a", registered: true };

async function idOf(asked: AdHocAsk, current: LookupVersion = version, who = "t"): Promise<string> {
  const control = { get: async () => ({ value: current, revision: 1 }) } as unknown as ControlStore;
  return (await pose(tenant(who), asked, new LookupVersions({ control, clock: () => 0 }))).id;
}

test("an id is that of the statement, the tenant and the partitions", async () => {
  const id = await idOf(ask("house"));
  expect(await idOf(ask("house", page("f")))).toBe(id);
  expect(await idOf(ask("town"))).not.toBe(id);
  expect(await idOf(ask("house"), version, "another")).not.toBe(id);
  expect(await idOf(ask("house", page("g")))).not.toBe(id);
  expect(await idOf(ask("house", {}))).not.toBe(id);
  const { aggregates, ...rest } = ask("house");
  expect(await idOf({ ...rest, aggregates: [...aggregates, { kind: "count" }] })).not.toBe(id);
});

test("a lookup's version counts where its columns are used, and nowhere else", async () => {
  const next = { ...version, folder: "lookups/2/" };
  expect(await idOf(ask("town"), next)).not.toBe(await idOf(ask("town")));
  expect(await idOf(ask("house"), next)).toBe(await idOf(ask("house")));
  // the catalogue may show it or not yet
  expect(await idOf(ask("town"), { ...next, registered: false })).not.toBe(await idOf(ask("town"), next));
});
