/** Copies of etl/ with one mistake in each, so that a test can show what it is worth: it does not pass them. */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const copies = path.join(root, ".sluice", `mutants-${process.pid}`);

export interface Mutation {
  readonly mistake: string;
  /** A file below etl/, or a folder in which one file has the code. */
  readonly file: string;
  readonly code: string;
  readonly instead: string;
}

/** Imports files of a copy of etl/, by their paths below it; what they need of src/ is imported from where it is. */
export type Mutant = <T>(file: string) => Promise<T>;

/** Throws unless the code is there, once. Without a mutation, the copy is as it was. */
export async function mutantOf(mutation: Mutation | null): Promise<Mutant> {
  const folder = path.join(copies, mutation?.mistake.replaceAll(/\W+/g, "-") ?? "none");
  await cp(path.join(root, "etl"), folder, { recursive: true });
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const places = await Promise.all(names.map((name) => rewrite(folder, name, mutation)));
  if (mutation !== null && places.reduce((sum, each) => sum + each, 0) !== 1)
    throw new Error(`etl/${mutation.file} has no such code, once: ${mutation.code}`);
  return <T>(file: string) => import(path.join(folder, file)) as Promise<T>;
}

export function removeMutants(): Promise<void> {
  return rm(copies, { recursive: true, force: true });
}

/** Resolves to the number of places that the mutation is about. */
async function rewrite(folder: string, name: string, mutation: Mutation | null): Promise<number> {
  const file = path.join(folder, name);
  const text = (await readFile(file, "utf8")).replaceAll(`from "../../src/`, `from "${root}src/`);
  const parts = mutation !== null && name.startsWith(mutation.file) ? text.split(mutation.code) : [text];
  await writeFile(file, parts.join(mutation?.instead));
  return parts.length - 1;
}
