/** The code of this repository as files: what each imports, and its text without comments. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const folders = ["products", "src", "etl", "cloud", "bin", "web", "bench", "test", "docs"];
const codeFile = /\.(?:ts|mts|tsx|mjs)$/;
/** What the build writes, not we. */
const generated = new Set(["node_modules", "dist"]);

export interface CodeFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Comments are blanked. */
  readonly code: string;
}

export interface Import {
  /** A path from the root for a relative import, the name of a package otherwise. */
  readonly target: string;
  readonly relative: boolean;
  readonly typeOnly: boolean;
  /** An `export … from`. */
  readonly reexport: boolean;
}

/** All code below the folders of the layout. */
export function codeFiles(): readonly CodeFile[] {
  return folders
    .flatMap((folder) => filesBelow(folder))
    .filter((file) => codeFile.test(file))
    .map((file) => readCode(file, readFileSync(path.join(root, file), "utf8")));
}

function filesBelow(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(path.join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => !generated.has(entry.name))
    .flatMap((entry) => {
      const inside = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(inside) : [inside];
    });
}

/** Parses one file; `file` is its path from the root. */
export function readCode(file: string, text: string): CodeFile {
  const { module, comments } = parseSync(file, text);
  const imports = [
    ...module.staticImports.map((each) => ({
      from: each.moduleRequest.value,
      typeOnly: each.entries.length > 0 && each.entries.every((entry) => entry.isType),
      reexport: false,
    })),
    ...module.staticExports.flatMap((each) =>
      each.entries
        .filter((entry) => entry.moduleRequest !== null)
        .map((entry) => ({ from: entry.moduleRequest!.value, typeOnly: entry.isType, reexport: true })),
    ),
    ...module.dynamicImports.map((each) => ({
      from: text.slice(each.moduleRequest.start, each.moduleRequest.end).replaceAll(/^["'`]|["'`]$/g, ""),
      typeOnly: false,
      reexport: false,
    })),
  ];
  return {
    path: file,
    lines: text.split("\n").length - 1,
    imports: imports.map(({ from, ...rest }) => ({ ...rest, ...resolved(file, from) })),
    code: withoutComments(text, comments),
  };
}

function resolved(file: string, from: string): Pick<Import, "target" | "relative"> {
  const relative = from.startsWith(".");
  return { relative, target: relative ? path.posix.join(path.posix.dirname(file), from) : from };
}

function withoutComments(text: string, comments: readonly { start: number; end: number }[]): string {
  let code = "";
  let end = 0;
  for (const comment of comments) {
    code += text.slice(end, comment.start);
    end = comment.end;
  }
  return code + text.slice(end);
}
