/** Workgroups: where results go by default and how much one statement may scan. Kept in one JSON file. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "./files.ts";
import { InvalidRequest } from "./protocol.ts";

export interface WorkGroup {
  readonly name: string;
  readonly description?: string | undefined;
  readonly createdAt: number;
  /** As given to CreateWorkGroup. */
  readonly configuration: WorkGroupConfiguration;
}

export interface WorkGroupConfiguration {
  readonly BytesScannedCutoffPerQuery?: number;
  readonly EnforceWorkGroupConfiguration?: boolean;
  readonly ResultConfiguration?: { readonly OutputLocation?: string };
}

const minCutoffBytes = 10_000_000; // Athena's smallest BytesScannedCutoffPerQuery

export interface WorkGroups {
  /** Throws `InvalidRequest` for one that does not exist. */
  get(name: string): WorkGroup;
  list(): WorkGroup[];
  create(workGroup: WorkGroup): Promise<void>;
  delete(name: string): Promise<void>;
}

/** The workgroups of a folder; `primary` is always there. */
export async function openWorkGroups(folder: string): Promise<WorkGroups> {
  const file = join(folder, "workgroups.json");
  const stored = JSON.parse(await readFile(file, "utf8").catch(() => "[]")) as WorkGroup[];
  const groups = new Map(stored.map((group) => [group.name, group]));
  if (!groups.has("primary"))
    groups.set("primary", { name: "primary", createdAt: Date.now(), configuration: {} });
  const save = (): Promise<void> => writeWhole(file, JSON.stringify([...groups.values()]));
  return {
    get(name) {
      const group = groups.get(name);
      if (!group) throw new InvalidRequest(`WorkGroup ${name} is not found. Create it with CreateWorkGroup.`);
      return group;
    },
    list: () => [...groups.values()],
    async create(group) {
      if (groups.has(group.name)) throw new InvalidRequest(`WorkGroup ${group.name} is already created`);
      checkCutoff(group.configuration.BytesScannedCutoffPerQuery);
      groups.set(group.name, group);
      await save();
    },
    async delete(name) {
      if (name === "primary") throw new InvalidRequest("WorkGroup primary cannot be deleted");
      groups.delete(name);
      await save();
    },
  };
}

function checkCutoff(bytes: number | undefined): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= minCutoffBytes)) return;
  throw new InvalidRequest(
    `BytesScannedCutoffPerQuery is a whole number of at least ${minCutoffBytes} bytes, got ${bytes}`,
  );
}
