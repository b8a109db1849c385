/**
 * The rules of an expression over a source. They are checked twice: where the expression is written, against the source
 * that `columns` was given, and where it becomes a measure, against the source of the product.
 */
import { DeclarationError } from "./errors.ts";
import { type Aggregate, aggregatesOf, bracedColumn, type Expression } from "./expression.ts";
import { type Condition, operatorsOf } from "./filter.ts";
import { type Column, columnFor, type Source } from "./source.ts";
import { type ColumnType, typeProblem } from "./values.ts";

/** Throws `DeclarationError` on the first rule that the expression breaks; `whose` begins the message about a column. */
export function checkExpression(source: Source, expression: Expression, whose: string): void {
  for (const aggregate of aggregatesOf(expression)) checkAggregate(source, aggregate, expression.kind, whose);
}

function checkAggregate(source: Source, aggregate: Aggregate, kind: Expression["kind"], whose: string): void {
  switch (aggregate.kind) {
    case "count":
      return;
    case "countIf":
      return checkConditions(source, aggregate.where, whose);
    case "countOf":
    case "distinct":
    case "approxDistinct":
      return void columnFor(source, aggregate.column, whose);
    case "sum":
    case "min":
    case "max":
      return checkNumeric(source, aggregate.column, kind, whose);
    case "percentile":
    case "approxPercentile":
      checkFraction(aggregate.fraction);
      return checkNumeric(source, aggregate.column, kind, whose);
    case "sql":
      return checkSql(source, aggregate.text, whose);
  }
}

const numericTypes: readonly ColumnType[] = ["int", "float"];

function checkNumeric(source: Source, property: string, kind: Expression["kind"], whose: string): void {
  const column = columnFor(source, property, whose);
  if (!numericTypes.includes(column.type))
    throw new DeclarationError(
      `${kind} needs a number. Column "${property}" of "${source.name}" is a ${column.type}. Use count, countIf or distinct, or another column.`,
    );
}

function checkFraction(fraction: number): void {
  if (!(fraction > 0 && fraction <= 1))
    throw new DeclarationError(
      `A percentile is a fraction in (0, 1]. Got ${fraction}.${fraction > 1 ? ` Did you mean ${fraction / 100}?` : ""}`,
    );
}

function checkConditions(source: Source, where: readonly Condition[], whose: string): void {
  for (const condition of where) checkCondition(columnFor(source, condition.column, whose), condition);
  if (where.length === 0)
    throw new DeclarationError(
      `countIf needs a condition. Got {}. Use count() for all events of "${source.name}".`,
    );
}

function checkCondition(column: Column, condition: Condition): void {
  const operators: readonly string[] = operatorsOf[column.type];
  if (!operators.includes(condition.op))
    throw new DeclarationError(
      `A column of type ${column.type} is asked with ${operators.join(", ")}. Got ${column.property}: { ${condition.op}: … }.`,
    );
  const operands = "values" in condition ? condition.values : [condition.value];
  const type = condition.op === "isNull" ? "boolean" : column.type;
  for (const operand of operands) {
    const problem = typeProblem(operand, type);
    if (problem !== null)
      throw new DeclarationError(
        `A condition compares with values of its column's type, ${type}. In ${column.property}: { ${condition.op}: … } the value ${JSON.stringify(operand)} ${problem}.`,
      );
  }
}

function checkSql(source: Source, text: string, whose: string): void {
  for (const [, property] of text.matchAll(bracedColumn)) columnFor(source, property!, whose);
  if (/[{}]/.test(text.replaceAll(bracedColumn, "")))
    throw new DeclarationError(`Columns of an sql expression stand in braces, {like} this. Got: ${text}`);
  if (text.includes("?") || text.includes(";"))
    throw new DeclarationError(`An sql expression is one aggregate without "?" or ";". Got: ${text}`);
}
