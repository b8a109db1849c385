/** Partitions: added, dropped and moved one by one, or found by MSCK REPAIR TABLE. A partition may have any location. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Partition, Table } from "./catalogue.ts";
import { typeOf } from "./catalogue.ts";
import { columnList, type DdlResult, type DdlTools, silent, tableName } from "./ddl-syntax.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { hiveNull, partitionFolder, pathOf } from "./files.ts";
import { isWord, type TokenReader } from "./tokens.ts";

export async function alterTable(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  const { database, name } = tableName(reader, tools);
  const table = tools.catalogue.table(database, name);
  const altered = alteration(reader, table, tools);
  reader.expectEnd();
  await tools.catalogue.put(altered);
  return silent;
}

function alteration(reader: TokenReader, table: Table, tools: DdlTools): Table {
  if (reader.takeWords("add", "columns")) return addColumns(reader, table);
  if (reader.takeWords("add")) return addPartitions(reader, table, tools);
  if (reader.takeWords("drop")) return dropPartitions(reader, table);
  if (isWord(reader.peek(), "partition")) return movePartition(reader, table, tools);
  if (reader.takeWords("set", "location")) return moveTable(reader, table, tools);
  throw unsupported(`ALTER TABLE … ${reader.peek()?.text ?? ""}`);
}

function addColumns(reader: TokenReader, table: Table): Table {
  const added = columnList(reader);
  const existing = new Set([...table.columns, ...table.partitionKeys].map((column) => column.name));
  for (const column of added) {
    typeOf(column);
    if (existing.has(column.name))
      throw new StatementFailed(`SemanticException: duplicate column name ${column.name}`);
  }
  return { ...table, columns: [...table.columns, ...added] };
}

function addPartitions(reader: TokenReader, table: Table, tools: DdlTools): Table {
  const lenient = reader.takeWords("if", "not", "exists");
  const partitions = new Map(table.partitions.map((partition) => [keyOf(partition.values), partition]));
  do {
    const values = partitionValues(reader, table);
    const location = reader.takeWords("location") ? reader.expectString() : defaultLocation(table, values);
    pathOf(tools.s3Folder, location);
    if (!partitions.has(keyOf(values))) partitions.set(keyOf(values), { values, location });
    else if (!lenient)
      throw new StatementFailed(
        `AlreadyExistsException: Partition already exists: ${values.join(", ")}. Write IF NOT EXISTS`,
      );
  } while (isWord(reader.peek(), "partition"));
  return { ...table, partitions: sorted([...partitions.values()]) };
}

function dropPartitions(reader: TokenReader, table: Table): Table {
  const lenient = reader.takeWords("if", "exists");
  const partitions = new Map(table.partitions.map((partition) => [keyOf(partition.values), partition]));
  do {
    const values = partitionValues(reader, table);
    if (!partitions.delete(keyOf(values)) && !lenient) throw missingPartition(values);
  } while (reader.takeSymbol(","));
  return { ...table, partitions: [...partitions.values()] };
}

function movePartition(reader: TokenReader, table: Table, tools: DdlTools): Table {
  const values = partitionValues(reader, table);
  reader.expectWords("set", "location");
  const location = reader.expectString();
  pathOf(tools.s3Folder, location);
  if (!table.partitions.some((partition) => keyOf(partition.values) === keyOf(values)))
    throw missingPartition(values);
  const moved = table.partitions.map((old) =>
    keyOf(old.values) === keyOf(values) ? { values, location } : old,
  );
  return { ...table, partitions: moved };
}

/** Partitions stay where they are. */
function moveTable(reader: TokenReader, table: Table, tools: DdlTools): Table {
  const location = reader.expectString();
  pathOf(tools.s3Folder, location);
  return { ...table, location };
}

function missingPartition(values: Partition["values"]): StatementFailed {
  return new StatementFailed(`SemanticException: Partition not found: ${values.join(", ")}`);
}

/** `PARTITION (key = 'value', …)`, every key exactly once. */
function partitionValues(reader: TokenReader, table: Table): (string | null)[] {
  const given = new Map<string, string>();
  reader.expectWords("partition");
  reader.expectSymbol("(");
  do {
    const key = reader.expectName();
    reader.expectSymbol("=");
    given.set(key, reader.peek()?.kind === "number" ? reader.next().text : reader.expectString());
  } while (reader.takeSymbol(","));
  reader.expectSymbol(")");
  const values = table.partitionKeys.map((key) => given.get(key.name));
  if (values.length === 0 || given.size !== values.length || values.includes(undefined)) {
    const keys = table.partitionKeys.map((key) => key.name).join(", ");
    throw new StatementFailed(
      `SemanticException: partition spec {${[...given.keys()].join(", ")}} does not name exactly the keys (${keys})`,
    );
  }
  return values.map((value) => (value === hiveNull ? null : (value ?? null)));
}

function keyOf(values: Partition["values"]): string {
  return JSON.stringify(values);
}

function sorted(partitions: readonly Partition[]): Partition[] {
  return [...partitions].sort((a, b) => (keyOf(a.values) < keyOf(b.values) ? -1 : 1));
}

function pathText(table: Table, values: Partition["values"]): string {
  return table.partitionKeys.map((key, index) => partitionFolder(key.name, values[index] ?? null)).join("/");
}

function defaultLocation(table: Table, values: Partition["values"]): string {
  return `${table.location.replace(/\/?$/, "/")}${pathText(table, values)}/`;
}

export async function showPartitions(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  const { database, name } = tableName(reader, tools);
  reader.expectEnd();
  const table = tools.catalogue.table(database, name);
  if (table.partitionKeys.length === 0)
    throw new StatementFailed(`SemanticException: Table ${name} is not a partitioned table`);
  return {
    column: "partition",
    lines: table.partitions.map((partition) => pathText(table, partition.values)),
  };
}

/** Adds the partitions that lie in Hive's layout below the table's location. None is removed. */
export async function repairTable(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  const { database, name } = tableName(reader, tools);
  reader.takeWords("add", "partitions");
  reader.expectEnd();
  const table = tools.catalogue.table(database, name);
  const found = await partitionFolders(pathOf(tools.s3Folder, table.location), table);
  const known = new Set(table.partitions.map((partition) => keyOf(partition.values)));
  const added = found.filter(({ values }) => !known.has(keyOf(values)));
  // the catalogue may have changed while folders were read: add to what it holds now
  const current = tools.catalogue.table(database, name);
  await tools.catalogue.put({ ...current, partitions: sorted([...current.partitions, ...added]) });
  return {
    column: "result",
    lines: added.map(
      ({ values }) => `Repair: Added partition to metastore ${name}:${pathText(table, values)}`,
    ),
  };
}

/** The partitions below a folder, at the folders as they are named, whichever characters of theirs are escaped. */
async function partitionFolders(folder: string, table: Table): Promise<Partition[]> {
  let level: { path: string; partition: Partition }[] = [
    { path: folder, partition: { values: [], location: table.location } },
  ];
  for (const key of table.partitionKeys) {
    const children = await Promise.all(
      level.map(({ path, partition }) => childPartitions(path, key.name, partition)),
    );
    level = children.flat();
  }
  return level.map(({ partition }) => partition);
}

async function childPartitions(path: string, key: string, { values, location }: Partition) {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter(
    (entry) => entry.isDirectory() && entry.name.toLowerCase().startsWith(`${key}=`),
  );
  return folders.map(({ name }) => ({
    path: join(path, name),
    partition: {
      values: [...values, unescaped(name.slice(key.length + 1))],
      location: `${location.replace(/\/?$/, "/")}${name}/`,
    },
  }));
}

function unescaped(value: string): string | null {
  if (value === hiveNull) return null;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
