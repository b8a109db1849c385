/** String functions, regular expressions (RE2) and JSON. */
import { coerced, type Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import {
  argument,
  byCount,
  constantText,
  type FunctionCall,
  type FunctionRule,
  signature,
} from "./function-rule.ts";
import { binary, stringSql } from "./operators.ts";
import { text } from "./scope.ts";
import { array, bigint, boolean, varchar } from "./types.ts";

const oneString = [varchar];
const twoStrings = [varchar, varchar];

const substring = byCount({
  2: signature([varchar, bigint], varchar, (s, from) => slice(s, from, `length(${s})`)),
  3: signature([varchar, bigint, bigint], varchar, (s, from, size) => slice(s, from, size)),
});

export const stringFunctions: Readonly<Record<string, FunctionRule>> = {
  length: signature(oneString, bigint, (s) => `length(${s})`),
  lower: signature(oneString, varchar, (s) => `lower(${s})`),
  upper: signature(oneString, varchar, (s) => `upper(${s})`),
  trim: signature(oneString, varchar, (s) => `regexp_replace(${s}, '^\\s+|\\s+$', '', 'g')`),
  ltrim: signature(oneString, varchar, (s) => `regexp_replace(${s}, '^\\s+', '')`),
  rtrim: signature(oneString, varchar, (s) => `regexp_replace(${s}, '\\s+$', '')`),
  substr: substring,
  substring,
  replace: byCount({
    2: signature(twoStrings, varchar, (s, search) => replaced(s, search, "''")),
    3: signature([varchar, varchar, varchar], varchar, replaced),
  }),
  strpos: signature(twoStrings, bigint, (s, search) => `strpos(${s}, ${search})`),
  position: signature(twoStrings, bigint, (s, search) => `strpos(${s}, ${search})`),
  starts_with: signature(twoStrings, boolean, (s, start) => `starts_with(${s}, ${start})`),
  concat: concat,
  lpad: signature([varchar, bigint, varchar], varchar, (s, size, pad) => padded("lpad", s, size, pad)),
  rpad: signature([varchar, bigint, varchar], varchar, (s, size, pad) => padded("rpad", s, size, pad)),
  split: signature(twoStrings, array(varchar), (s, by) => `string_split(${s}, ${nonEmpty("split", by)})`),
  split_part: signature([varchar, varchar, bigint], varchar, splitPart),
  chr: signature([bigint], varchar, (code) => `chr(CAST(${code} AS INTEGER))`),
  regexp_like: signature(twoStrings, boolean, (s, pattern) => `regexp_matches(${s}, ${pattern})`),
  regexp_extract: byCount({ 2: (call) => regexpExtract(call, "0"), 3: regexpGroup }),
  regexp_replace: byCount({
    2: signature(twoStrings, varchar, (s, pattern) => `regexp_replace(${s}, ${pattern}, '', 'g')`),
    3: regexpReplace,
  }),
  json_extract_scalar: jsonScalar,
  "~~": like(""),
  "!~~": like("NOT "),
  like_escape: like(""),
  not_like_escape: like("NOT "),
};

/** `substr`: position 0 and positions before the start give the empty string, where DuckDB would clip. */
function slice(s: string, from: string, size: string): string {
  return `(CASE WHEN ${from} = 0 OR ${from} < -length(${s}) OR ${size} <= 0 THEN CASE WHEN ${s} IS NULL OR ${from} IS NULL OR ${size} IS NULL THEN NULL ELSE '' END ELSE substr(${s}, ${from}, ${size}) END)`;
}

function replaced(s: string, search: string, by: string): string {
  return `replace(${s}, ${nonEmpty("replace", search)}, ${by})`;
}

function nonEmpty(name: string, sql: string): string {
  return `(CASE WHEN ${sql} = '' THEN error('NOT_SUPPORTED: not supported by the embedded Athena: ${name} with an empty string') ELSE ${sql} END)`;
}

function padded(name: string, s: string, size: string, pad: string): string {
  const valid = `CASE WHEN ${size} < 0 THEN error('INVALID_FUNCTION_ARGUMENT: Target length must be in the range [0..2147483647]') ELSE CAST(${size} AS INTEGER) END`;
  return `${name}(${s}, ${valid}, ${nonEmpty(name, pad)})`;
}

/** NULL past the last part, where DuckDB gives the empty string. */
function splitPart(s: string, by: string, index: string): string {
  const list = `string_split(${s}, ${nonEmpty("split_part", by)})`;
  return `(CASE WHEN ${index} <= 0 THEN error('INVALID_FUNCTION_ARGUMENT: Index must be greater than zero') ELSE list_extract(${list}, ${index}) END)`;
}

/** NULL as soon as one argument is NULL, where DuckDB would skip it. */
function concat(call: FunctionCall): Typed {
  argument(call, 1);
  return call.args.reduce((joined, next) => binary("||", joined, next));
}

function regexpGroup(call: FunctionCall): Typed {
  return regexpExtract(call, argument(call, 2).sql);
}

/** NULL without a match. A group that matched nothing and one that took no part look alike here: an error. */
function regexpExtract(call: FunctionCall, group: string): Typed {
  const s = stringSql("regexp_extract", argument(call, 0));
  const pattern = stringSql("regexp_extract", argument(call, 1));
  if (!/^\d+$/.test(group)) throw unsupported("regexp_extract with a group that is not a literal");
  const found = `regexp_extract(${s}, ${pattern}, ${group})`;
  const empty =
    group === "0"
      ? "''"
      : "error('NOT_SUPPORTED: not supported by the embedded Athena: regexp_extract of an empty group')";
  const sql = `(CASE WHEN NOT regexp_matches(${s}, ${pattern}) THEN NULL WHEN ${found} = '' THEN ${empty} ELSE ${found} END)`;
  return { sql, type: varchar };
}

/** All matches are replaced; `$1` is a group in Java, `\1` in RE2. */
function regexpReplace(call: FunctionCall): Typed {
  const [s, pattern] = [
    stringSql("regexp_replace", argument(call, 0)),
    stringSql("regexp_replace", argument(call, 1)),
  ];
  const replacement = constantText(call, 2);
  if (/\\|\$\{|\$\d\d|\$(?!\d)/.test(replacement))
    throw unsupported(`the replacement ${replacement} in regexp_replace`);
  const groups = replacement.replaceAll(/\$(\d)/g, "\\$1");
  return { sql: `regexp_replace(${s}, ${pattern}, ${text(groups)}, 'g')`, type: varchar };
}

/** NULL for objects, arrays and what is not JSON. Fractions may be written differently, so they are refused. */
function jsonScalar(call: FunctionCall): Typed {
  const json = stringSql("json_extract_scalar", argument(call, 0));
  const path = constantText(call, 1);
  if (!/^\$(\.[A-Za-z_]\w*|\[\d+\])*$/.test(path)) throw unsupported(`the JSON path ${path}`);
  const kind = `json_type(${json}, ${text(path)})`;
  const refusal =
    "error('NOT_SUPPORTED: not supported by the embedded Athena: json_extract_scalar of a fraction')";
  const sql = `(CASE WHEN NOT json_valid(${json}) THEN NULL WHEN ${kind} IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL WHEN ${kind} = 'DOUBLE' THEN ${refusal} ELSE json_extract_string(${json}, ${text(path)}) END)`;
  return { sql, type: varchar };
}

function like(not: string): FunctionRule {
  return (call) => {
    const [s, pattern, escape] = call.args;
    const sides = [s, pattern].map((side) => stringSql("LIKE", side ?? argument(call, 1)));
    const suffix = escape ? ` ESCAPE ${coerced(escape, varchar)}` : "";
    return { sql: `(${sides[0]} ${not}LIKE ${sides[1]}${suffix})`, type: boolean };
  };
}
