/** Trino's own grammar, as dt-sql-parser ships it: where a statement breaks it, and what a statement is made of. */
import type * as Antlr from "antlr4ng";
// its ESM imports folders, which Node does not resolve: tsx does
import { require } from "tsx/cjs/api";

interface Grammar {
  readonly antlr: typeof Antlr;
  readonly Lexer: new (input: Antlr.CharStream) => Antlr.Lexer;
  readonly Parser: new (
    tokens: Antlr.TokenStream,
  ) => Antlr.Parser & {
    singleStatement(): Antlr.ParserRuleContext;
    standaloneExpression(): Antlr.ParserRuleContext;
  };
  readonly tokens: Readonly<Record<string, number>>;
}

const grammar = load();

function load(): Grammar {
  const generated = (name: string): object =>
    (require(`dt-sql-parser/dist/lib/trino/${name}`, import.meta.url) as Record<string, object>)[name]!;
  const Lexer = generated("TrinoSqlLexer") as Grammar["Lexer"];
  return {
    antlr: require("antlr4ng", import.meta.url) as typeof Antlr,
    Lexer,
    Parser: generated("TrinoSqlParser") as Grammar["Parser"],
    tokens: Lexer as unknown as Grammar["tokens"],
  };
}

export interface Parsed {
  /** `line:column what`, in order; none of a statement that Trino parses. */
  readonly faults: readonly string[];
  /** What it is made of: `ceil()`, `date_trunc('hour')`, `type bigint`, `Between BETWEEN AND`, `Comparison >=`. */
  readonly uses: ReadonlySet<string>;
}

/** Parses one statement of Trino, without a semicolon at its end. */
export function parseStatement(sql: string): Parsed {
  return parse(sql, (parser) => parser.singleStatement());
}

/** Parses one expression of Trino. */
export function parseExpression(sql: string): Parsed {
  return parse(sql, (parser) => parser.standaloneExpression());
}

/** Every token of a text by its name in the grammar, white space and comments too. */
export function tokensOf(sql: string): { readonly name: string; readonly text: string }[] {
  const { antlr, Lexer } = grammar;
  const lexer = new Lexer(antlr.CharStreams.fromString(sql));
  lexer.removeErrorListeners();
  return lexer.getAllTokens().map(({ type, text }) => ({
    name: lexer.vocabulary.getSymbolicName(type) ?? lexer.vocabulary.getLiteralName(type) ?? "",
    text: text ?? "",
  }));
}

type Rule = (parser: InstanceType<Grammar["Parser"]>) => Antlr.ParserRuleContext;

/** SLL decides what it accepts as LL does, ten times faster; what it refuses is for LL to decide. */
function parse(sql: string, rule: Rule): Parsed {
  // numbers, whatever their type says
  const { SLL, LL } = grammar.antlr.PredictionMode as unknown as Readonly<Record<string, number>>;
  const fast = parseIn(SLL!, sql, rule);
  return fast.faults.length === 0 ? fast : parseIn(LL!, sql, rule);
}

function parseIn(mode: number, sql: string, rule: Rule): Parsed {
  const { antlr, Lexer, Parser } = grammar;
  const faults: string[] = [];
  const listener = faultsInto(faults);
  const lexer = new Lexer(antlr.CharStreams.fromString(sql));
  const tokens = new antlr.CommonTokenStream(lexer);
  const parser = new Parser(tokens);
  parser.interpreter.predictionMode = mode;
  for (const each of [lexer, parser]) {
    each.removeErrorListeners();
    each.addErrorListener(listener);
  }
  const tree = rule(parser);
  faults.push(...strayTokens(tokens, parser));
  const uses = new Set<string>();
  collect(tree, uses);
  return { faults, uses };
}

function faultsInto(faults: string[]): Antlr.ANTLRErrorListener {
  return {
    syntaxError: (_recognizer, _symbol, line, column, message) => faults.push(`${line}:${column} ${message}`),
    reportAmbiguity: () => {},
    reportAttemptingFullContext: () => {},
    reportContextSensitivity: () => {},
  };
}

/** What the grammar lets pass and Trino refuses: tokens of no kind, other quotes, and whatever follows the statement. */
function strayTokens(tokens: Antlr.CommonTokenStream, parser: Antlr.Parser): string[] {
  const { antlr, tokens: types } = grammar;
  const stray = new Set(
    ["UNRECOGNIZED", "BACKQUOTED_IDENTIFIER", "DIGIT_IDENTIFIER"].map((name) => types[name]!),
  );
  tokens.fill();
  const end = parser.getCurrentToken();
  return [
    ...tokens.getTokens().filter(({ type }) => stray.has(type)),
    ...(end.type === antlr.Token.EOF ? [] : [end]),
  ].map(({ line, column, text }) => `${line}:${column} unexpected ${text ?? ""}`);
}

const operatorContexts = new Set(["Comparison", "ComparisonOperator", "ArithmeticBinary", "ArithmeticUnary"]);

function collect(tree: Antlr.ParserRuleContext, uses: Set<string>): void {
  uses.add(useOf(tree));
  for (const child of tree.children ?? [])
    if (child instanceof grammar.antlr.ParserRuleContext) collect(child, uses);
}

/** A function by its name, with the unit where it takes one; any other context by its kind and its keywords. */
function useOf(tree: Antlr.ParserRuleContext): string {
  const context = tree.constructor.name.replace(/^_|Context$/g, "");
  const texts = (tree.children ?? []).map((child) => child.getText());
  if (context === "FunctionCall") return `${texts[0]!.toLowerCase()}(${unitOf(texts)})`;
  if (context === "GenericType") return `type ${texts.join("").toLowerCase()}`;
  if (context.endsWith("Identifier") || context === "NonReserved") return context;
  const own = (tree.children ?? []).filter((child) => child instanceof grammar.antlr.TerminalNode);
  const words = own.map((child) => child.getText().toUpperCase()).filter((text) => /^[A-Z]+$/.test(text));
  const signs = operatorContexts.has(context)
    ? own.map((child) => child.getText()).filter((text) => !/^\w/.test(text))
    : [];
  return [context, ...words, ...signs].join(" ");
}

function unitOf([name = "", , unit = ""]: readonly string[]): string {
  return /^date_(?:trunc|add|diff)$/i.test(name) ? unit : "";
}
