/** `CREATE TABLE t WITH (…) AS SELECT …`: the files of an UNLOAD and a table of the catalogue over them. */
import { relative } from "node:path";
import type { HiveColumn, Partition, Table } from "./catalogue.ts";
import { tableName } from "./ddl-syntax.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { dataFiles, hiveNull, pathOf } from "./files.ts";
import { planQuery, type QueryPlan } from "./query-plan.ts";
import type { ScanTools } from "./scans.ts";
import type { TokenReader } from "./tokens.ts";
import { type Type, typeText } from "./types.ts";
import { columnNames, requireEmpty, type UnloadTarget, unloadTarget, withOptions } from "./unload.ts";

export interface CreateTableAs {
  readonly plan: QueryPlan;
  readonly target: UnloadTarget;
  /** Puts the table into the catalogue once its files are there. */
  register(): Promise<void>;
}

/** Resolves to undefined where the table exists and IF NOT EXISTS says to leave it. */
export async function createTableAs(
  reader: TokenReader,
  input: { database: string },
  tools: ScanTools,
): Promise<CreateTableAs | undefined> {
  reader.expectWords("create", "table");
  const lenient = reader.takeWords("if", "not", "exists");
  const { database, name } = tableName(reader, { ...tools, database: input.database });
  const options = reader.takeWords("with") ? withOptions(reader) : new Map<string, readonly string[]>();
  reader.expectWords("as");
  const query = reader.takeRest();
  if (!tools.catalogue.hasDatabase(database))
    throw new StatementFailed(`SCHEMA_NOT_FOUND: Schema '${database}' does not exist`);
  if (tools.catalogue.find(database, name)) {
    if (lenient) return undefined;
    throw new StatementFailed(
      `TABLE_ALREADY_EXISTS: Destination table 'awsdatacatalog.${database}.${name}' already exists`,
    );
  }
  const location = options.get("external_location")?.[0];
  if (location === undefined)
    throw unsupported("CREATE TABLE … AS without a location", "Write external_location = 's3://…'");
  const target = unloadTarget(location, options);
  await requireEmpty(tools.s3Folder, location);
  const plan = await planQuery(query, input.database, tools);
  const names = columnNames(plan, target.partitionedBy);
  const columns = plan.columns.map(
    ({ type }, index): HiveColumn => ({ name: names[index] ?? "", type: hiveText(type) }),
  );
  const split = columns.length - target.partitionedBy.length;
  const table = {
    database,
    name,
    location,
    columns: columns.slice(0, split),
    partitionKeys: columns.slice(split),
  };
  return {
    plan,
    target,
    register: async () => tools.catalogue.put({ ...table, partitions: await partitionsOf(table, tools) }),
  };
}

function hiveText(type: Type): string {
  if (type.kind === "varchar") return "string";
  if (type.kind === "real") return "float";
  if (type.kind === "integer") return "int";
  return type.kind === "array" ? `array<${hiveText(type.element)}>` : typeText(type);
}

async function partitionsOf(table: Omit<Table, "partitions">, tools: ScanTools): Promise<Partition[]> {
  const depth = table.partitionKeys.length;
  if (depth === 0) return [];
  const root = pathOf(tools.s3Folder, table.location);
  const files = await dataFiles(root);
  const folders = new Set(
    files.map((file) => relative(root, file.path).split("/").slice(0, depth).join("/")),
  );
  return [...folders].map((folder) => ({
    values: folder.split("/").map((level) => valueOf(level.slice(level.indexOf("=") + 1))),
    location: `${table.location.replace(/\/?$/, "/")}${folder}/`,
  }));
}

function valueOf(escaped: string): string | null {
  return escaped === hiveNull ? null : decodeURIComponent(escaped);
}
