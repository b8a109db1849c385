/**
 * The gate before the parser. DuckDB reads a wider language than Trino, and some of it leaves no trace in the syntax
 * tree (`x::int`, `E'…'`, `CAST(x AS string)`, `LIMIT 1 OFFSET 2`): what Trino would refuse is refused here, by token.
 */
import { StatementFailed, unsupported } from "./failure.ts";
import { isSymbol, isWord, type Token } from "./tokens.ts";

/** Throws SYNTAX_ERROR for tokens that are not Trino; the tokens to parse come back. */
export function admitTrino(tokens: readonly Token[]): Token[] {
  if (!isWord(tokens[0], "select", "with", "values") && !isSymbol(tokens[0], "(")) {
    throw new StatementFailed(
      `SYNTAX_ERROR: a query begins with SELECT or WITH, found ${tokens[0]?.text ?? "nothing"}`,
    );
  }
  let limitAt = -1;
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    refuseSymbol(token, next);
    refuseNul(token);
    refusePair(token, next);
    if (isWord(token, "limit")) limitAt = token.start;
    if (isWord(token, "offset") && limitAt >= 0)
      throw notTrino("OFFSET after LIMIT", "Write OFFSET before LIMIT");
    if (isWord(token, "select")) limitAt = -1;
    if (isWord(token, "cast", "try_cast") && isSymbol(next, "(")) checkCastType(tokens, index + 1);
    if (isWord(token, "interval")) checkInterval(tokens, index);
  });
  return tokens.map(nameOfIf);
}

function notTrino(what: string, wayOut = ""): StatementFailed {
  return new StatementFailed(`SYNTAX_ERROR: ${what} is not Trino SQL${wayOut && `. ${wayOut}`}`);
}

const refusedSymbols = new Set([":", "@", "$", "&", "^", "~", "!", "|", "{", "}", "#", "\\", ";"]);
const doubledSymbols = new Set(["=", "*", "/"]);

function refuseSymbol(token: Token, next: Token | undefined): void {
  if (token.kind === "backquoted")
    throw notTrino(`the identifier ${token.text}`, 'Queries quote names with "…"');
  if (token.kind !== "symbol") return;
  if (refusedSymbols.has(token.text)) throw notTrino(`'${token.text}'`);
  if (token.text === "->" || token.text === "=>") throw unsupported("lambda expressions");
  if (doubledSymbols.has(token.text) && next?.text === token.text && next.start === token.end) {
    throw notTrino(`'${token.text}${token.text}'`);
  }
}

function refuseNul(token: Token): void {
  // it ends a text for DuckDB, and names of the analysis' own placeholders begin with it
  if (token.text.includes("\u0000")) throw unsupported("the character U+0000");
}

const typedLiterals = ["date", "timestamp", "interval"];
const wordsBeforeAString = new Set(
  `and or not in like escape between when then else select distinct by as from where on having values limit case
   is all any some union except intersect return asc desc filter over end null true false array`.split(/\s+/),
);

function refusePair(token: Token, next: Token | undefined): void {
  if (!next) return;
  if (
    token.kind === "number" &&
    (next.kind === "word" || next.kind === "number") &&
    next.start === token.end
  ) {
    throw notTrino(`'${token.text}${next.text}'`);
  }
  if (token.kind === "word" && next.kind === "string" && !wordsBeforeAString.has(token.value)) {
    if (!typedLiterals.includes(token.value))
      throw notTrino(`${token.text} ${next.text}`, "Cast a string instead");
  }
  if (token.kind === "string" && next.kind === "string")
    throw notTrino("two strings side by side", "Join them with ||");
  if (isSymbol(token, ",") && (isWord(next, "from") || isSymbol(next, ")")))
    throw notTrino("a trailing comma");
  if (isSymbol(token, "(") && isWord(next, "from")) throw notTrino("FROM without SELECT");
  if (isWord(token, "isnull", "notnull", "ilike", "qualify", "sample")) throw notTrino(token.text);
  if (isWord(token, "rollup", "cube") && !isSymbol(next, "("))
    throw notTrino(`the reserved word ${token.text} as a name`, `Write "${token.value}"`);
}

const castTypes =
  /^(boolean|tinyint|smallint|integer|int|bigint|real|double|varchar|date|timestamp(\(3\))?|decimal\(\d+(,\d+)?\))$/;

function checkCastType(tokens: readonly Token[], open: number): void {
  const close = closing(tokens, open);
  const as = lastAs(tokens, open, close);
  if (as < 0) return;
  const words = tokens.slice(as + 1, close).map((token) => token.value);
  const text = words.every((word) => /^\w+$/.test(word)) ? words.join(" ") : words.join("");
  if (!castTypes.test(text)) throw unsupported(`a cast to ${text}`);
}

function lastAs(tokens: readonly Token[], open: number, close: number): number {
  let depth = 0;
  for (let index = open; index < close; index += 1) {
    if (isSymbol(tokens[index], "(")) depth += 1;
    if (isSymbol(tokens[index], ")")) depth -= 1;
    if (depth === 1 && isWord(tokens[index], "as")) return index;
  }
  return -1;
}

/** The index of the bracket that closes the one at `open`, or the end of the tokens. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index += 1) {
    if (isSymbol(tokens[index], "(")) depth += 1;
    if (isSymbol(tokens[index], ")")) depth -= 1;
    if (depth === 0) return index;
  }
  return tokens.length;
}

function checkInterval(tokens: readonly Token[], at: number): void {
  const [amount, unit] = [tokens[at + 1], tokens[at + 2]];
  // a column may be called "interval": only what looks like a literal is checked
  if (amount?.kind !== "string" && amount?.kind !== "number") return;
  const valid = amount.kind === "string" && /^-?\d+$/.test(amount.value);
  if (!valid || !isWord(unit, "second", "minute", "hour", "day", "week", "month", "year")) {
    throw notTrino(`INTERVAL ${amount.text} ${unit?.text ?? ""}`, "Write it as INTERVAL '1' DAY");
  }
}

// DuckDB's IF demands three arguments, Trino's takes two as well: it is parsed as an ordinary function
function nameOfIf(token: Token, index: number, tokens: readonly Token[]): Token {
  return isWord(token, "if") && isSymbol(tokens[index + 1], "(") ? { ...token, text: '"$if"' } : token;
}
