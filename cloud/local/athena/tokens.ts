/** A tokenizer for the SQL of Athena, Trino and Hive alike: strings, quoted identifiers and comments are units. */
import { StatementFailed } from "./failure.ts";

export type TokenKind = "word" | "quoted" | "backquoted" | "string" | "number" | "symbol";

export interface Token {
  readonly kind: TokenKind;
  /** As written. */
  readonly text: string;
  /** A string or identifier without its quotes; a word in lower case; else the text. */
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

const rules: readonly (readonly [TokenKind | "blank", RegExp])[] = [
  ["blank", /\s+|--[^\n]*|\/\*[\s\S]*?\*\//y],
  ["string", /'(?:[^']|'')*'/y],
  ["quoted", /"(?:[^"]|"")+"/y],
  ["backquoted", /`(?:[^`]|``)+`/y],
  ["number", /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ["word", /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ["symbol", /<>|<=|>=|!=|\|\||->|=>|[-+*/%=<>.,()[\]?;:@$&^~!|{}#\\]/y],
];

/** The tokens of a statement, without comments and white space. Throws SYNTAX_ERROR for what no token begins. */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    const { kind, text } = nextToken(sql, at);
    if (kind !== "blank") {
      tokens.push({ kind, text, value: tokenValue(kind, text), start: at, end: at + text.length });
    }
    at += text.length;
  }
  return tokens;
}

function nextToken(sql: string, at: number): { kind: TokenKind | "blank"; text: string } {
  for (const [kind, rule] of rules) {
    rule.lastIndex = at;
    const match = rule.exec(sql);
    if (match) return { kind, text: match[0] };
  }
  throw new StatementFailed(`SYNTAX_ERROR: unexpected input at ${JSON.stringify(sql.slice(at, at + 20))}`);
}

function tokenValue(kind: TokenKind, text: string): string {
  if (kind === "word") return text.toLowerCase();
  if (kind === "number" || kind === "symbol") return text;
  const quote = text[0] ?? "";
  return text.slice(1, -1).replaceAll(quote + quote, quote);
}

export function isWord(token: Token | undefined, ...words: readonly string[]): boolean {
  return token?.kind === "word" && words.includes(token.value);
}

export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === "symbol" && token.text === symbol;
}

/** Tokens written back as SQL, comments gone, every token at its old offset so that error positions stay true. */
export function untokenize(tokens: readonly Token[]): string {
  let sql = "";
  let end = 0;
  for (const token of tokens) {
    // longer text before it may have used up the blanks
    const separator = token.start !== end && sql.length >= Math.floor(token.start) ? " " : "";
    sql = sql.padEnd(token.start) + separator + token.text;
    end = token.end;
  }
  return sql;
}

/** Reads tokens one by one, for statements of a fixed shape. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  next(): Token {
    const token = this.#tokens[this.#at];
    if (!token) throw new StatementFailed("SYNTAX_ERROR: the statement ends too early");
    this.#at += 1;
    return token;
  }

  /** All tokens that are left, taken. */
  takeRest(): readonly Token[] {
    const rest = this.#tokens.slice(this.#at);
    this.#at = this.#tokens.length;
    return rest;
  }

  /** Takes `(…)` and gives what is between the brackets. */
  takeBracketed(): readonly Token[] {
    this.expectSymbol("(");
    const from = this.#at;
    for (let depth = 1; depth > 0; ) {
      const token = this.next();
      if (isSymbol(token, "(")) depth += 1;
      if (isSymbol(token, ")")) depth -= 1;
    }
    return this.#tokens.slice(from, this.#at - 1);
  }

  /** Takes the words if they all come next. */
  takeWords(...words: readonly string[]): boolean {
    if (!words.every((word, index) => isWord(this.peek(index), word))) return false;
    this.#at += words.length;
    return true;
  }

  takeSymbol(symbol: string): boolean {
    if (!isSymbol(this.peek(), symbol)) return false;
    this.#at += 1;
    return true;
  }

  expectWords(...words: readonly string[]): void {
    if (!this.takeWords(...words)) this.#refuse(words.join(" ").toUpperCase());
  }

  expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) this.#refuse(`'${symbol}'`);
  }

  expectString(): string {
    if (this.peek()?.kind !== "string") this.#refuse("a string in single quotes");
    return this.next().value;
  }

  /** An identifier, bare or in either kind of quotes, in lower case as Glue stores it. */
  expectName(): string {
    const token = this.peek();
    if (token?.kind !== "word" && token?.kind !== "quoted" && token?.kind !== "backquoted")
      this.#refuse("a name");
    return this.next().value.toLowerCase();
  }

  expectEnd(): void {
    this.takeSymbol(";");
    if (this.peek()) this.#refuse("the end of the statement");
  }

  #refuse(expected: string): never {
    throw new StatementFailed(`SYNTAX_ERROR: expected ${expected}, found ${this.peek()?.text ?? "the end"}`);
  }
}
