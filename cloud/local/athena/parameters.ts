/**
 * Execution parameters: each is one SQL literal that takes the place of a `?`. As in Athena, `?` stands in a WHERE
 * clause and nowhere else.
 */
import { StatementFailed } from "./failure.ts";
import { isSymbol, isWord, type Token, tokenize } from "./tokens.ts";

const maxParameterLength = 1_024; // characters, Athena's limit

/** The way in which a parameter is not one literal; undefined where it is. */
export function parameterFault(parameter: string): string | undefined {
  if (parameter.length < 1 || parameter.length > maxParameterLength) {
    return `an execution parameter has 1 to ${maxParameterLength} characters, this one ${parameter.length}`;
  }
  if (isLiteral(parameter)) return undefined;
  return `an execution parameter is one SQL literal ('text', a number, TRUE, FALSE, NULL, DATE '…' or TIMESTAMP '…'), got: ${parameter}`;
}

function isLiteral(parameter: string): boolean {
  const [first, second, ...more] = literalTokens(parameter);
  if (!first || more.length > 0) return false;
  if (!second) return ["number", "string"].includes(first.kind) || isWord(first, "true", "false", "null");
  if (isSymbol(first, "-") || isSymbol(first, "+")) return second.kind === "number";
  return isWord(first, "date", "timestamp") && second.kind === "string";
}

/** The tokens, or none where something else than blanks stands between them: a comment is no part of a literal. */
function literalTokens(parameter: string): Token[] {
  try {
    const tokens = tokenize(parameter);
    const gaps = tokens.map((token, index) => parameter.slice(tokens[index - 1]?.end ?? 0, token.start));
    const between = [...gaps, parameter.slice(tokens.at(-1)?.end ?? 0)].join("");
    return between.trim() === "" ? tokens : [];
  } catch {
    return [];
  }
}

/** The tokens with every `?` replaced. Throws `StatementFailed` for a `?` outside of WHERE and for a wrong count. */
export function bindParameters(tokens: readonly Token[], parameters: readonly string[]): Token[] {
  const placeholders = tokens.filter((token) => isSymbol(token, "?")).length;
  if (placeholders !== parameters.length) {
    throw new StatementFailed(
      `INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected ${placeholders} but found ${parameters.length}`,
    );
  }
  if (placeholders > 0) refuseOutsideWhere(tokens);
  let bound = 0;
  return tokens.flatMap((token) =>
    isSymbol(token, "?") ? literalAt(token, parameters[bound++] ?? "") : [token],
  );
}

// inside of the placeholder's one character, so that a literal is adjacent to nothing, whatever stood there
function literalAt({ start }: Token, literal: string): Token[] {
  return tokenize(literal).map((token) => ({ ...token, start: start + 0.25, end: start + 0.75 }));
}

const clauses = new Set([
  "select",
  "from",
  "where",
  "group",
  "having",
  "order",
  "limit",
  "offset",
  "on",
  "window",
  "union",
]);

function refuseOutsideWhere(tokens: readonly Token[]): void {
  const open: string[] = []; // the clause that each bracket interrupted
  let clause = "select";
  tokens.forEach((token, index) => {
    if (isSymbol(token, "(")) {
      open.push(clause);
      // the WHERE of an aggregate's FILTER is not a WHERE clause
      if (isWord(tokens[index - 1], "filter")) clause = "filter";
    } else if (isSymbol(token, ")")) clause = open.pop() ?? clause;
    else if (token.kind === "word" && clauses.has(token.value) && clause !== "filter") clause = token.value;
    else if (isSymbol(token, "?") && clause !== "where") throw outsideWhere(clause);
  });
}

function outsideWhere(clause: string): StatementFailed {
  return new StatementFailed(
    `INVALID_PARAMETER_USAGE: execution parameters are allowed in the WHERE clause only, found ? in ${clause.toUpperCase()}`,
  );
}
