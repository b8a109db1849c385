/** Date and time functions. The session zone is UTC. */
import { castTo, coerced, type Typed } from "./casts.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import {
  argument,
  constantText,
  type FunctionCall,
  type FunctionRule,
  signature,
  wrongArguments,
} from "./function-rule.ts";
import { wholeSql } from "./operators.ts";
import { text } from "./scope.ts";
import {
  bigint,
  date,
  double,
  isMoment,
  timestamp,
  timestampTz,
  type Type,
  typeText,
  varchar,
} from "./types.ts";

const units = ["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];
const dateUnits = units.slice(4);

export const dateFunctions: Readonly<Record<string, FunctionRule>> = {
  date_trunc: dateTrunc,
  date_add: dateAdd,
  date_diff: dateDiff,
  date_format: dateFormat,
  date_parse: dateParse,
  date: (call) => ({ sql: castTo(argument(call, 0), date, false), type: date }),
  from_unixtime: signature(
    [double],
    timestampTz,
    (seconds) => `make_timestamp(CAST(round(${seconds} * 1000) AS BIGINT) * 1000)`,
  ),
  to_unixtime: (call) => ({
    sql: `(epoch_us(${moment(call, 0).sql}) / CAST(1000000 AS DOUBLE))`,
    type: double,
  }),
  last_day_of_month: (call) => ({ sql: `last_day(${moment(call, 0).sql})`, type: date }),
  date_part: datePart,
  year: part("year"),
  quarter: part("quarter"),
  month: part("month"),
  week: part("week"),
  week_of_year: part("week"),
  day: part("day"),
  day_of_month: part("day"),
  day_of_week: part("isodow"),
  dow: part("isodow"),
  day_of_year: part("dayofyear"),
  doy: part("dayofyear"),
  year_of_week: part("isoyear"),
  yow: part("isoyear"),
  hour: part("hour"),
  minute: part("minute"),
  second: part("second"),
  millisecond: (call) => ({ sql: `(date_part('millisecond', ${timed(call).sql}) % 1000)`, type: bigint }),
  $to_days: interval("day to second", "DAY"),
  $to_weeks: interval("day to second", "WEEK"),
  $to_hours: interval("day to second", "HOUR"),
  $to_minutes: interval("day to second", "MINUTE"),
  $to_seconds: interval("day to second", "SECOND"),
  $to_months: interval("year to month", "MONTH"),
  $to_years: interval("year to month", "YEAR"),
};

function moment(call: FunctionCall, index: number): Typed {
  const value = argument(call, index);
  if (!isMoment(value.type)) throw wrongArguments(call, "date or timestamp");
  return value;
}

function timed(call: FunctionCall): Typed {
  const value = moment(call, 0);
  if (value.type.kind === "date") throw wrongArguments(call, "timestamp");
  return value;
}

/** The unit in lower case; dates have none below the day. */
function unit(call: FunctionCall, of: Type): string {
  const name = constantText(call, 0).toLowerCase();
  const known = of.kind === "date" ? dateUnits : units;
  if (known.includes(name)) return name;
  throw new StatementFailed(
    `INVALID_FUNCTION_ARGUMENT: '${name}' is not a valid ${typeText(of)} field for ${call.name}. Valid: ${known.join(", ")}`,
  );
}

function dateTrunc(call: FunctionCall): Typed {
  const value = moment(call, 1);
  const truncated = `date_trunc('${unit(call, value.type)}', ${value.sql})`;
  return { sql: value.type.kind === "date" ? `CAST(${truncated} AS DATE)` : truncated, type: value.type };
}

function dateAdd(call: FunctionCall): Typed {
  const value = moment(call, 2);
  const amount = wholeSql("the amount of date_add", argument(call, 1));
  const of = unit(call, value.type);
  const steps = of === "quarter" ? `to_months(CAST(3 * ${amount} AS INTEGER))` : stepsOf(of, amount);
  const sql = `(${value.sql} + ${steps})`;
  return { sql: value.type.kind === "date" ? `CAST(${sql} AS DATE)` : sql, type: value.type };
}

function stepsOf(of: string, amount: string): string {
  const wide = ["hour", "minute"].includes(of) ? amount : `CAST(${amount} AS INTEGER)`;
  return of === "millisecond" || of === "second" ? `to_${of}s(${amount})` : `to_${of}s(${wide})`;
}

/** Full units, not the boundaries that DuckDB's date_diff counts. */
function dateDiff(call: FunctionCall): Typed {
  const [from, to] = [moment(call, 1), moment(call, 2)];
  const type = from.type.kind === "date" && to.type.kind === "date" ? date : timestamp;
  const of = unit(call, type);
  return { sql: `date_sub('${of}', ${coerced(from, type)}, ${coerced(to, type)})`, type: bigint };
}

function part(field: string): FunctionRule {
  return (call) => {
    const value = ["hour", "minute", "second"].includes(field) ? timed(call) : moment(call, 0);
    return { sql: `date_part('${field}', ${value.sql})`, type: bigint };
  };
}

/** `EXTRACT(field FROM x)` arrives as date_part. */
function datePart(call: FunctionCall): Typed {
  const rule = dateFunctions[constantText(call, 0).toLowerCase()];
  const field = constantText(call, 0).toLowerCase();
  if (!rule || !/^(year|quarter|month|week|day|dow|doy|yow|hour|minute|second|day_of_\w+)$/.test(field)) {
    throw unsupported(`EXTRACT(${field} FROM …)`);
  }
  return rule({ ...call, args: call.args.slice(1) });
}

function interval(kind: "day to second" | "year to month", word: string): FunctionRule {
  return (call) => ({
    sql: `(INTERVAL '${constantText(call, 0)}' ${word})`,
    type: { kind: `interval ${kind}` },
  });
}

const formats: Readonly<Record<string, string>> = {
  Y: "%Y",
  m: "%m",
  d: "%d",
  H: "%H",
  i: "%M",
  s: "%S",
  S: "%S",
  f: "%f",
  y: "%y",
  M: "%B",
  b: "%b",
  a: "%a",
  W: "%A",
  e: "%-d",
  c: "%-m",
  k: "%-H",
  h: "%I",
  I: "%I",
  l: "%-I",
  p: "%p",
  j: "%j",
  T: "%H:%M:%S",
  "%": "%%",
};

/** A format of MySQL, as Trino's date_format takes it, for strftime. */
function strftimeFormat(call: FunctionCall, format: string, admitted: string): string {
  return format.replaceAll(/%(.?)/gs, (written, letter: string) => {
    const translated = formats[letter];
    if (translated === undefined || !admitted.includes(letter))
      throw unsupported(`${written} in the format of ${call.name}`);
    return translated;
  });
}

function dateFormat(call: FunctionCall): Typed {
  const format = strftimeFormat(call, constantText(call, 1), Object.keys(formats).join(""));
  return { sql: `strftime(${moment(call, 0).sql}, ${text(format)})`, type: varchar };
}

/** What a format leaves out is 1970-01-01 in Trino and 1900-01-01 in DuckDB: a year is required. */
function dateParse(call: FunctionCall): Typed {
  const format = constantText(call, 1);
  if (!format.includes("%Y")) throw unsupported(`date_parse with a format without %Y: ${format}`);
  const value = argument(call, 0);
  if (value.type.kind !== "varchar") throw wrongArguments(call, [varchar, varchar]);
  return {
    sql: `strptime(${value.sql}, ${text(strftimeFormat(call, format, "YmdHisSfT%"))})`,
    type: timestamp,
  };
}
