/** What the analysis of one statement knows and collects. */
import type { CommonTable, QueryNode } from "./ast.ts";
import type { Column, Scope } from "./scope.ts";
import type { Type } from "./types.ts";

/** A table of the catalogue, as far as the analysis needs it. */
export interface TableShape {
  readonly database: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: Type }[];
  readonly partitionKeys: readonly { readonly name: string; readonly type: Type }[];
}

/** One occurrence of a table in the statement. A table that occurs twice is scanned twice, as in Athena. */
export interface Scan {
  readonly number: number;
  readonly table: TableShape;
  /** Conditions that a partition must meet, over its columns as `p."day"`. */
  readonly partitionConditions: Set<string>;
  /** The columns that are read, without partition columns. */
  readonly reads: Set<string>;
}

export interface Analysis {
  /** The statement, for positions in errors. */
  readonly sql: string;
  /** The database of names without one. */
  readonly database: string;
  readonly now: Date;
  readonly scans: Scan[];
  /** Throws `StatementFailed` with TABLE_NOT_FOUND. */
  table(database: string, name: string): TableShape;
  /** A name for a relation that nothing else in the statement has. */
  freshAlias(): string;
}

/** A WITH query and where it was written. */
export interface NamedQuery {
  readonly query: CommonTable;
  readonly environment: Environment;
}

/** Where a query stands. */
export interface Environment {
  readonly analysis: Analysis;
  readonly outer?: Scope | undefined;
  readonly named: ReadonlyMap<string, NamedQuery>;
}

/** Where an expression stands. */
export interface ExpressionContext extends Environment {
  readonly scope: Scope;
  /** Told about every column of the FROM clause that is used. */
  onColumn(column: Column): void;
  onAggregate(): void;
  onWindow(): void;
  /** Analyses a query that stands in the expression and may use its columns. */
  query(node: QueryNode): AnalysedQuery;
  /** Set where only partition columns are known and a subquery cannot be evaluated. */
  readonly partitionsOnly?: boolean;
}

/** A query written for DuckDB; its columns are named `c0`, `c1`, … there. */
export interface AnalysedQuery {
  readonly sql: string;
  readonly columns: readonly OutputColumn[];
  /** Marks all columns as read, where every column of the result matters. */
  readAll(): void;
}

export interface OutputColumn {
  /** Absent for an expression without an alias. */
  readonly name?: string | undefined;
  readonly type: Type;
  readonly reads: ReadonlySet<string>;
  readonly partitions: ReadonlyMap<number, string>;
}

/** Marks columns of scans as read. */
export function markRead(analysis: Analysis, reads: Iterable<string>): void {
  for (const read of reads) {
    const colon = read.indexOf(":");
    analysis.scans[Number(read.slice(0, colon))]?.reads.add(read.slice(colon + 1));
  }
}

/** The name under which a scan stands in the generated SQL until its files are known. */
export function scanPlaceholder(number: number): string {
  return `"\u0000scan ${number}"`;
}
