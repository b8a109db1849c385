/** Loads every declaration in the products folder: loading a file registers what it declares. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { SluiceError, suggestion } from "../src/model/errors.ts";
import { declaredProducts, type Product } from "../src/model/product.ts";
import type { Source } from "../src/model/source.ts";
import { streamedSources } from "../src/schema/names.ts";

export async function loadProducts(folder: string): Promise<readonly Product[]> {
  const files = readdirSync(folder).filter(
    (name) => /\.(ts|mts|js|mjs)$/.test(name) && !/\.d\.m?ts$/.test(name),
  );
  for (const file of files.sort()) await load(join(folder, file));
  const products = declaredProducts();
  if (products.length === 0)
    throw new SluiceError(
      "DECLARATION",
      `The products folder declares at least one @DataProduct. ${folder} has ${files.length} files and none.`,
    );
  return products;
}

async function load(file: string): Promise<void> {
  try {
    await import(pathToFileURL(file).href);
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const hint =
      code === "ERR_REQUIRE_CYCLE_MODULE"
        ? ' Outside of this repository name it .mts, or put a package.json with "type": "module" beside it.'
        : "";
    throw new SluiceError("DECLARATION", `${file} cannot be loaded: ${message}${hint}`, { cause });
  }
}

/** The products of the given names; all of them for no names. */
export function chosenProducts(products: readonly Product[], names: readonly string[]): readonly Product[] {
  const known = products.map(({ name }) => name);
  for (const name of names)
    if (!known.includes(name))
      throw new SluiceError("BAD_USER_INPUT", `There is no product "${name}".${suggestion(name, known)}`);
  return names.length === 0 ? products : products.filter(({ name }) => names.includes(name));
}

/** The sources of the given names, all of which have a stream; all such sources for no names. */
export function chosenStreams(products: readonly Product[], names: readonly string[]): readonly Source[] {
  const streamed = streamedSources(products);
  const streams = streamed.map(({ name }) => name);
  const known = products.map(({ source }) => source.name);
  if (streamed.length === 0)
    throw new SluiceError(
      "BAD_USER_INPUT",
      `Micro-batches read streams. None of ${[...new Set(known)].join(", ")} has one. Add stream: "…" to a @Source.`,
    );
  for (const name of names) {
    if (!known.includes(name))
      throw new SluiceError("BAD_USER_INPUT", `There is no source "${name}".${suggestion(name, known)}`);
    if (!streams.includes(name))
      throw new SluiceError(
        "BAD_USER_INPUT",
        `Micro-batches read streams. Source "${name}" has none. Add stream: "…" to its @Source, or name one of ${streams.join(", ")}.`,
      );
  }
  return names.length === 0 ? streamed : streamed.filter(({ name }) => names.includes(name));
}
