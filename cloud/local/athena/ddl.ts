/** Data definition: the statements of Hive that Athena runs on its catalogue. They scan nothing. */
import type { HiveColumn, Table } from "./catalogue.ts";
import { typeOf } from "./catalogue.ts";
import { columnList, type DdlResult, type DdlTools, silent, tableName } from "./ddl-syntax.ts";
import { alterTable, repairTable, showPartitions } from "./ddl-partitions.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { pathOf } from "./files.ts";
import { isSymbol, type TokenReader } from "./tokens.ts";

/** Runs one statement. Rejects `StatementFailed`; the catalogue is then unchanged. */
export async function runDdl(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  if (reader.takeWords("create")) return create(reader, tools);
  if (reader.takeWords("drop")) return drop(reader, tools);
  if (reader.takeWords("alter", "table")) return alterTable(reader, tools);
  if (reader.takeWords("msck", "repair", "table")) return repairTable(reader, tools);
  if (reader.takeWords("show")) return show(reader, tools);
  throw unsupported(`the statement ${reader.peek()?.text ?? ""}`);
}

function takeIfNotExists(reader: TokenReader): boolean {
  return reader.takeWords("if", "not", "exists");
}

async function create(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  if (reader.takeWords("database") || reader.takeWords("schema")) return createDatabase(reader, tools);
  if (reader.takeWords("external", "table")) return createTable(reader, tools);
  throw unsupported("CREATE of other than DATABASE, EXTERNAL TABLE and TABLE … AS SELECT");
}

async function createDatabase(reader: TokenReader, { catalogue }: DdlTools): Promise<DdlResult> {
  const lenient = takeIfNotExists(reader);
  const name = reader.expectName();
  if (reader.takeWords("comment")) reader.expectString();
  if (reader.takeWords("location")) reader.expectString();
  reader.expectEnd();
  if (!catalogue.hasDatabase(name)) await catalogue.addDatabase(name);
  else if (!lenient)
    throw new StatementFailed(`AlreadyExistsException: Database ${name} already exists. Write IF NOT EXISTS`);
  return silent;
}

async function createTable(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  const lenient = takeIfNotExists(reader);
  const { database, name } = tableName(reader, tools);
  const columns = columnList(reader);
  const clauses = tableClauses(reader);
  if (!tools.catalogue.hasDatabase(database))
    throw new StatementFailed(`SCHEMA_NOT_FOUND: Schema '${database}' does not exist`);
  const existing = tools.catalogue.find(database, name);
  if (existing && lenient) return silent;
  if (existing)
    throw new StatementFailed(`AlreadyExistsException: Table ${name} already exists. Write IF NOT EXISTS`);
  pathOf(tools.s3Folder, clauses.location);
  const table: Table = { database, name, columns, ...clauses, partitions: [] };
  checkColumns(table);
  await tools.catalogue.put(table);
  return silent;
}

function checkColumns(table: Table): void {
  const all = [...table.columns, ...table.partitionKeys];
  all.forEach(typeOf);
  const names = all.map((column) => column.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new StatementFailed(`SemanticException: duplicate column name ${twice}`);
}

function tableClauses(reader: TokenReader): { partitionKeys: HiveColumn[]; location: string } {
  let partitionKeys: HiveColumn[] = [];
  let location: string | undefined;
  let parquet = false;
  while (reader.peek() && !isSymbol(reader.peek(), ";")) {
    if (reader.takeWords("partitioned", "by")) partitionKeys = columnList(reader);
    else if (reader.takeWords("stored", "as", "parquet")) parquet = true;
    else if (reader.takeWords("location")) location = reader.expectString();
    else if (reader.takeWords("comment")) reader.expectString();
    else if (reader.takeWords("tblproperties")) skipProperties(reader);
    else
      throw unsupported(
        `${reader.peek()?.text} in CREATE EXTERNAL TABLE`,
        "Write STORED AS PARQUET LOCATION 's3://…'",
      );
  }
  reader.expectEnd();
  if (!parquet || location === undefined)
    throw new StatementFailed("SemanticException: a table is STORED AS PARQUET LOCATION 's3://…'");
  return { partitionKeys, location };
}

function skipProperties(reader: TokenReader): void {
  reader.expectSymbol("(");
  do {
    reader.expectString();
    reader.expectSymbol("=");
    reader.expectString();
  } while (reader.takeSymbol(","));
  reader.expectSymbol(")");
}

async function drop(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  if (reader.takeWords("database") || reader.takeWords("schema")) return dropDatabase(reader, tools);
  reader.expectWords("table");
  const lenient = reader.takeWords("if", "exists");
  const { database, name } = tableName(reader, tools);
  reader.expectEnd();
  const table = tools.catalogue.find(database, name);
  if (table) await tools.catalogue.drop(table);
  else if (!lenient) tools.catalogue.table(database, name);
  return silent;
}

async function dropDatabase(reader: TokenReader, { catalogue }: DdlTools): Promise<DdlResult> {
  const lenient = reader.takeWords("if", "exists");
  const name = reader.expectName();
  const cascade = reader.takeWords("cascade");
  reader.takeWords("restrict");
  reader.expectEnd();
  if (!catalogue.hasDatabase(name)) {
    if (lenient) return silent;
    throw new StatementFailed(`SCHEMA_NOT_FOUND: Database does not exist: ${name}`);
  }
  if (catalogue.tables(name).length > 0 && !cascade) {
    throw new StatementFailed(
      `InvalidOperationException: Database ${name} is not empty. One or more tables exist. Write CASCADE`,
    );
  }
  await catalogue.dropDatabase(name);
  return silent;
}

async function show(reader: TokenReader, tools: DdlTools): Promise<DdlResult> {
  if (reader.takeWords("partitions")) return showPartitions(reader, tools);
  if (reader.takeWords("databases") || reader.takeWords("schemas")) {
    reader.expectEnd();
    return { column: "database_name", lines: tools.catalogue.databases() };
  }
  reader.expectWords("tables");
  const database = reader.takeWords("in") ? reader.expectName() : tools.database;
  reader.expectEnd();
  return { column: "tab_name", lines: tools.catalogue.tables(database).map((table) => table.name) };
}
