/** What the statements of data definition share: their tools, their result, names and column lists. */
import type { Catalogue, HiveColumn } from "./catalogue.ts";
import { isSymbol, isWord, type TokenReader } from "./tokens.ts";

export interface DdlTools {
  readonly catalogue: Catalogue;
  readonly s3Folder: string;
  readonly database: string;
}

/** The lines that a statement prints, under the name of their column. */
export interface DdlResult {
  readonly column: string;
  readonly lines: readonly string[];
}

export const silent: DdlResult = { column: "result", lines: [] };

/** `table` or `database.table`. */
export function tableName(reader: TokenReader, tools: DdlTools): { database: string; name: string } {
  const first = reader.expectName();
  if (!reader.takeSymbol(".")) return { database: tools.database, name: first };
  return { database: first, name: reader.expectName() };
}

/** `(name type [COMMENT '…'], …)`. */
export function columnList(reader: TokenReader): HiveColumn[] {
  const columns: HiveColumn[] = [];
  reader.expectSymbol("(");
  do {
    const name = reader.expectName();
    columns.push({ name, type: columnType(reader) });
    if (reader.takeWords("comment")) reader.expectString();
  } while (reader.takeSymbol(","));
  reader.expectSymbol(")");
  return columns;
}

function columnType(reader: TokenReader): string {
  let [type, depth] = ["", 0];
  for (;;) {
    const token = reader.peek();
    const ends = isSymbol(token, ",") || isSymbol(token, ")") || isWord(token, "comment");
    if (depth === 0 && ends) return type;
    if (isSymbol(token, "(") || isSymbol(token, "<")) depth += 1;
    if (isSymbol(token, ")") || isSymbol(token, ">")) depth -= 1;
    type += reader.next().value;
  }
}
