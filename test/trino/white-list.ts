/** The white list of what our statements are made of: what has golden results, and what holds it together. */
import { goldenClauses } from "./golden-clauses.ts";
import type { GoldenQuery } from "./golden-data.ts";
import { goldenFunctions } from "./golden-functions.ts";

/** By what `grammar.ts` calls it. */
export const golden: Readonly<Record<string, readonly GoldenQuery[]>> = {
  ...goldenFunctions,
  ...goldenClauses,
};

/** Contexts of the grammar that say nothing of their own; what they hold together shows in the golden queries. */
const shapes = `
  SingleStatement, StatementDefault, RootQuery, QueryStatement, QueryTermDefault, QueryPrimaryDefault, SubqueryRelation,
  QueryNoWith, QueryNoWith ORDER BY, QueryNoWith ORDER BY LIMIT, QueryNoWith LIMIT, RowCount,
  QuerySpecification SELECT FROM, QuerySpecification SELECT FROM GROUP BY, WhereClause WHERE,
  SelectList, SelectItem, SelectItem AS, SelectExpressionColumnName, SelectLiteralColumnName,
  Expression, ParenthesizedExpression, Predicated, ValueExpressionDefault, Comparison, FunctionName, Cast CAST AS,
  ColumnReference, ColumnName, ColumnRef, QualifiedName, UnquotedIdentifier, QuotedIdentifier, NonReserved,
  RelationDefault, SampledRelation, PatternRecognition, AliasedRelation, AliasedRelation AS, ColumnAliases,
  TableName, TableOrViewName, TableRef, ExpressionSourceTable, JoinRelation JOIN, JoinCriteria ON,
  SingleGroupingSet, GroupingSet, GroupingTerm, WhenClause WHEN THEN,
  WindowSpecification, WindowSpecification ORDER BY, WindowSpecification PARTITION BY,
  WindowSpecification PARTITION BY ORDER BY, PartitionBy,
  NumericLiteral, StringLiteral, BooleanLiteral, Parameter`;

/** Whatever else a statement uses has no known meaning, and fails the run. */
export const allowedUses: ReadonlySet<string> = new Set([
  ...Object.keys(golden),
  ...shapes.split(",").map((shape) => shape.trim()),
]);
