/**
 * `@Source` and `@Column`: the events a product is computed from, declared on the class that is also the GraphQL type
 * of one event.
 */
// type-graphql refuses to register a field without it, so no declaration may come before it
import "reflect-metadata";
import { type GraphQLScalarType, isScalarType } from "graphql";
import { GraphQLDateTime, GraphQLSafeInt } from "graphql-scalars";
import { Field, Float, Int, ObjectType } from "type-graphql";
import { DeclarationError, inDeclaration, suggestion } from "./errors.ts";
import { claimSourceTable } from "./gold-tables.ts";
import { type Lookup, type LookupOptions, lookupsOf } from "./lookup.ts";
import { parseDuration } from "./time.ts";
import type { ColumnType } from "./values.ts";

/** What @Column is declared with: a products folder elsewhere does not resolve our packages. */
export { Float, GraphQLDateTime, Int };

export type Class<T extends object = object> = new () => T;

export interface SourceOptions {
  /** The lake table, "database.table". */
  readonly table: string;
  /** The property that holds the event's time (a datetime column). */
  readonly time: string;
  readonly description: string;
  /** The lake table's partition column; one partition per UTC day (default), month or year of the event time. */
  readonly partition?: { readonly column?: string; readonly grain?: PartitionGrain };
  /** The Kinesis stream that carries the same events; without it there are no live rollups and no subscriptions. */
  readonly stream?: string | StreamOptions;
  /** Columns that are taken from dimension tables: `lookup({ table, on, take })`. */
  readonly lookups?: readonly LookupOptions[];
}

export interface StreamOptions {
  readonly name: string;
  /** How long after its time an event may arrive (ISO 8601 duration, default PT1H); a later one is a dead letter. */
  readonly lateness?: string;
  /** How far arrival stamps may run backwards (default PT0S). */
  readonly skew?: string;
  /** The stream replays history: every record states its own assumed arrival. */
  readonly replay?: boolean;
}

export type PartitionGrain = "DAY" | "MONTH" | "YEAR";

export interface Source {
  readonly name: string;
  readonly target: Class;
  readonly description: string;
  readonly database: string;
  readonly table: string;
  readonly time: Column;
  readonly partition: { readonly column: string; readonly grain: PartitionGrain };
  readonly stream: Stream | null;
  /** All that an event has: its own columns and the enriched ones. */
  readonly columns: readonly Column[];
  /** What the lake's files and the stream's records hold. */
  readonly ownColumns: readonly Column[];
  readonly lookups: readonly Lookup[];
}

export interface Stream {
  readonly name: string;
  readonly latenessMs: number;
  readonly skewMs: number;
  readonly replay: boolean;
}

export interface Column {
  /** The property and GraphQL field. */
  readonly property: string;
  /** The column in the lake and the key in the stream's JSON. */
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly unit: string | null;
  readonly description: string | null;
}

export interface ColumnOptions {
  /** The column's name in the lake and stream, where it differs from the property. */
  readonly name?: string;
  readonly nullable?: boolean;
  readonly unit?: string;
  readonly description?: string;
}

/** What GraphQL allows as a name. */
export const graphqlName = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

const declaredColumns = new WeakMap<object, Column[]>();
const sources = new Map<Class, Source>();

/** Declares a column: `@Column(() => Int, { unit: "minutes" })`. Types: Int, Float, String, Boolean, GraphQLDateTime. */
export function Column(type: () => unknown, options: ColumnOptions = {}): PropertyDecorator {
  return (prototype, key) => {
    const property = String(key);
    const column: Column = Object.freeze({
      property,
      name: options.name ?? property,
      type: columnType(type(), property),
      nullable: options.nullable ?? false,
      unit: options.unit ?? null,
      description: options.description ?? null,
    });
    const columns = declaredColumns.get(prototype) ?? [];
    declaredColumns.set(prototype, [...columns, column]);
    Field(() => graphqlTypes[column.type], {
      nullable: column.nullable,
      ...columnDescription(column),
      simple: true,
    })(prototype, key);
  };
}

function columnType(type: unknown, property: string): ColumnType {
  if (type === Int || type === GraphQLSafeInt) return "int";
  if (type === Float || type === Number) return "float";
  if (type === String) return "string";
  if (type === Boolean) return "boolean";
  if (type === Date || type === GraphQLDateTime) return "datetime";
  const got = isScalarType(type) ? type.name : String((type as { name?: string } | undefined)?.name ?? type);
  throw new DeclarationError(
    `A column is an Int, Float, String, Boolean or GraphQLDateTime. Column "${property}" is declared as ${got}.`,
  );
}

/** The GraphQL type of each column type. Integers appear as SafeInt: 32 bits are too few for a sum. */
export const graphqlTypes: Readonly<
  Record<ColumnType, GraphQLScalarType | StringConstructor | BooleanConstructor>
> = {
  int: GraphQLSafeInt,
  float: Float,
  string: String,
  boolean: Boolean,
  datetime: GraphQLDateTime,
};

/** The `description` option of a GraphQL field, its unit added where the text does not name it. */
export function describe(description: string | null, unit: string | null): { description?: string } {
  if (description === null) return unit === null ? {} : { description: `In ${unit}.` };
  const named = unit === null || description.toLowerCase().includes(unit.toLowerCase());
  return { description: named ? description : `${description.replace(/\.$/, "")}, in ${unit}.` };
}

/** What a column holds, its unit or time zone included: the `description` option of everything that stands for it. */
export function columnDescription(column: Column): { description?: string } {
  const unit = column.type === "datetime" ? "UTC" : column.unit;
  return describe(column.description ?? `The column "${column.name}".`, unit);
}

/** Declares a source on the class of its events. */
export function Source(options: SourceOptions): ClassDecorator {
  return (target) => {
    const source = sourceOf(target.name, target as unknown as Class, options);
    claimSourceTable(source);
    sources.set(source.target, source);
    ObjectType(source.name, { description: source.description })(target);
  };
}

function sourceOf(name: string, target: Class, options: SourceOptions): Source {
  const columns = declaredColumns.get(target.prototype as object) ?? [];
  const [database, table, ...rest] = options.table.split(".");
  if (!database || !table || rest.length > 0)
    throw new DeclarationError(
      `A source's table is "database.table". Source "${name}" has "${options.table}". Write for example "lake.${options.table}".`,
    );
  for (const { property } of columns)
    if (!graphqlName.test(property) || property.startsWith("__"))
      throw new DeclarationError(
        `Names are letters, digits and "_", without "__" in front (GraphQL). Source "${name}" has "${property}". Keep the lake's name apart: @Column(…, { name: "${property}" }).`,
      );
  const time = columns.find((column) => column.property === options.time);
  const property = columns.map((column) => column.property);
  if (time === undefined)
    throw new DeclarationError(
      `Source "${name}" has no column "${options.time}" for its time.${suggestion(options.time, property)}`,
    );
  if (time.type !== "datetime" || time.nullable)
    throw new DeclarationError(
      `The time of a source is a datetime that is never null. Column "${time.property}" of "${name}" is ${time.nullable ? "nullable " : ""}${time.type}.`,
    );
  const partition = {
    column: options.partition?.column ?? "day",
    grain: options.partition?.grain ?? "DAY",
  } as const;
  rejectEnvelopeKey(name, columns, options);
  rejectTwins(name, [...columns.map((column) => column.name), partition.column]);
  const lookups = lookupsOf(name, columns, time, options.lookups ?? []);
  const enriched = new Set(lookups.flatMap(({ take }) => take.map(({ column }) => column)));
  return Object.freeze({
    name,
    target,
    description: options.description,
    database,
    table,
    time,
    partition,
    stream: options.stream === undefined ? null : streamOf(name, options.stream),
    columns: Object.freeze([...columns]),
    ownColumns: Object.freeze(columns.filter((column) => !enriched.has(column))),
    lookups: Object.freeze(lookups),
  });
}

/** A record of a stream with a key "sluice" is an envelope: a barrier or a replayed event. */
function rejectEnvelopeKey(source: string, columns: readonly Column[], { stream }: SourceOptions): void {
  if (stream !== undefined && columns.some(({ name }) => name === "sluice"))
    throw new DeclarationError(
      `The key "sluice" of a stream's records is reserved. Source "${source}" has a stream and a column "sluice". Name the column otherwise, in the lake and in the stream.`,
    );
}

/** Athena folds the case of names, so two columns that differ in case only are one. */
function rejectTwins(source: string, names: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined)
      throw new DeclarationError(
        `Column names of a lake table differ by more than case, the partition column included. Source "${source}" has "${twin}" and "${name}".`,
      );
    seen.set(name.toLowerCase(), name);
  }
}

function streamOf(source: string, stream: string | StreamOptions): Stream {
  const options = typeof stream === "string" ? { name: stream } : stream;
  const duration = (name: "lateness" | "skew", usual: string) =>
    inDeclaration(`Source "${source}", ${name}`, () => parseDuration(options[name] ?? usual));
  return Object.freeze({
    name: options.name,
    latenessMs: duration("lateness", "PT1H"),
    skewMs: duration("skew", "PT0S"),
    replay: options.replay ?? false,
  });
}

/** The declaration of a source class. Throws `DeclarationError` when the class is not a source. */
export function sourceFor(target: Class): Source {
  const source = sources.get(target);
  if (source === undefined)
    throw new DeclarationError(
      `A product's source is a class with @Source. Got ${target?.name ?? String(target)}. Put @Source({ table, time, … }) on it, in a file that is loaded before.`,
    );
  return source;
}

/** The column of a property. Throws `DeclarationError` with a suggestion; `whose` begins the message. */
export function columnFor(source: Source, property: string, whose: string): Column {
  const column = source.columns.find((candidate) => candidate.property === property);
  if (column === undefined)
    throw new DeclarationError(
      `${whose} has no column "${property}".${suggestion(
        property,
        source.columns.map((candidate) => candidate.property),
      )}`,
    );
  return column;
}
