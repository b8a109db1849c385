/** What a name means inside a query: the relations of its FROM clause, then those of the queries around it. */
import { place } from "./ast.ts";
import { StatementFailed } from "./failure.ts";
import type { Type } from "./types.ts";

export interface Column {
  /** As the query names it; matched without regard to case. */
  readonly name: string;
  readonly sql: string;
  readonly type: Type;
  /** The columns of scans that must be read for it, each as `scan:column`. */
  readonly reads: ReadonlySet<string>;
  /** Scan number to partition column, where the value *is* that partition column. */
  readonly partitions: ReadonlyMap<number, string>;
}

export interface Relation {
  /** `[table]`, `[database, table]`, `[alias]`, or nothing where it has no name. */
  readonly name: readonly string[];
  readonly columns: readonly Column[];
}

export interface Scope {
  /** Throws COLUMN_NOT_FOUND or AMBIGUOUS_NAME. */
  column(names: readonly string[], location: number): Column;
}

/** The scope of one SELECT. */
export function selectScope(sql: string, relations: readonly Relation[], outer?: Scope): Scope {
  return {
    column(names, location) {
      const matches = relations.flatMap((relation) => matching(relation, names));
      const [match, ...more] = matches;
      if (more.length > 0) throw ambiguous(sql, names, location);
      if (match) return match;
      if (outer) return outer.column(names, location);
      throw notFound(sql, names, location);
    },
  };
}

function matching(relation: Relation, names: readonly string[]): readonly Column[] {
  const name = names.at(-1)?.toLowerCase();
  if (!qualifies(relation, names.slice(0, -1))) return [];
  return relation.columns.filter((column) => column.name.toLowerCase() === name);
}

/** Whether `qualifier` names the relation: `t` and `db.t` both name the table db.t. */
export function qualifies(relation: Relation, qualifier: readonly string[]): boolean {
  if (qualifier.length === 0) return true;
  const tail = relation.name.slice(-qualifier.length);
  return (
    tail.length === qualifier.length && tail.every((part, index) => part === qualifier[index]?.toLowerCase())
  );
}

function notFound(sql: string, names: readonly string[], location: number): StatementFailed {
  return new StatementFailed(
    `COLUMN_NOT_FOUND: ${place(sql, location)}: Column '${names.join(".")}' cannot be resolved or requester is not authorized to access requested resources`,
  );
}

function ambiguous(sql: string, names: readonly string[], location: number): StatementFailed {
  return new StatementFailed(
    `AMBIGUOUS_NAME: ${place(sql, location)}: Column '${names.join(".")}' is ambiguous`,
  );
}

/** Thrown by a partition scope for a column that is not a partition column of its scan. */
export class NotAPartition extends Error {}

/** The same names, but only those that are partition columns of one scan, as columns of the relation `p`. */
export function partitionScope(scope: Scope, scan: number): Scope {
  return {
    column(names, location) {
      const column = scope.column(names, location);
      const partition = column.partitions.get(scan);
      if (partition === undefined) throw new NotAPartition();
      return { ...column, sql: `p.${quote(partition)}` };
    },
  };
}

/** An identifier in DuckDB's quotes. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string in SQL quotes. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
