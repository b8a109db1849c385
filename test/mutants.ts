/** Copies of etl/ with one mistake in each, so that a test can show what it is worth: it does not pass them. */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const copies = path.join(root, ".sluice", `mutants-${process.pid}`);

export interface Mutation {
  readonly mistake: string;
  /** Below etl/. */
  readonly file: string;
  readonly code: string;
  readonly instead: string;
}

/** Imports files of a copy of etl/, by their paths below it; what they need of src/ is imported from where it is. */
export type Mutant = <T>(file: string) => Promise<T>;

/** Throws unless the file has the code, once. Without a mutation, the copy is whole. */
export async function mutantOf(mutation: Mutation | null): Promise<Mutant> {
  const folder = path.join(copies, mutation?.mistake.replaceAll(/\W+/g, "-") ?? "none");
  await cp(path.join(root, "etl"), folder, { recursive: true });
  for (const name of await readdir(folder, { recursive: true }))
    if (name.endsWith(".ts"))
      await rewrite(path.join(folder, name), name === mutation?.file ? mutation : null);
  return <T>(file: string) => import(path.join(folder, file)) as Promise<T>;
}

export function removeMutants(): Promise<void> {
  return rm(copies, { recursive: true, force: true });
}

async function rewrite(file: string, mutation: Mutation | null): Promise<void> {
  const text = (await readFile(file, "utf8")).replaceAll(`from "../../src/`, `from "${root}src/`);
  if (mutation === null) return writeFile(file, text);
  const { code, instead } = mutation;
  if (text.split(code).length !== 2) throw new Error(`${mutation.file} has no such code, once: ${code}`);
  await writeFile(
    file,
    text.replace(code, () => instead),
  );
}
