/**
 * The functions that our statements may use, and the results that Trino's documentation gives for them ("Functions and
 * operators" of trino.io/docs). The embedded Athena is held to every row.
 */
import { numbers, doubles, texts, empty, pairs, type GoldenQuery } from "./golden-data.ts";

export const goldenFunctions: Readonly<Record<string, readonly GoldenQuery[]>> = {
  // aggregates
  "count()": [
    [`SELECT count(*), count(x), count(DISTINCT x) FROM ${numbers}`, "4 | 3 | 2"],
    [`SELECT count(*), count(x), count(DISTINCT x) FROM ${empty}`, "0 | 0 | 0"],
    [`SELECT count(x), count(DISTINCT x) FROM (VALUES (''), (' '), (NULL)) AS t(x)`, "2 | 2"],
  ],
  "count_if()": [
    [`SELECT count_if(x > 0) FROM ${numbers}`, "2"],
    [`SELECT count_if(x > 0) FROM ${empty}`, "0"],
  ],
  "sum()": [
    [`SELECT sum(x) FROM ${numbers}`, "1"],
    [`SELECT sum(x) FROM ${empty}`, "NULL"],
    ["SELECT sum(x) FROM (VALUES (0.1e0), (0.2e0), (NULL)) AS t(x)", "0.30000000000000004"],
    ["SELECT sum(x) FROM (VALUES (9007199254740992), (1)) AS t(x)", "9007199254740993"],
    [`SELECT sum(x) FROM ${doubles}`, "NaN"],
  ],
  "min()": [
    [`SELECT min(x) FROM ${numbers}`, "-5"],
    [`SELECT min(x) FROM ${empty}`, "NULL"],
    [`SELECT min(x) FROM ${texts}`, ""],
    [`SELECT min(x) FROM ${doubles}`, "-1.0"],
  ],
  "max()": [
    [`SELECT max(x) FROM ${numbers}`, "3"],
    [`SELECT max(x) FROM ${empty}`, "NULL"],
    // by code points: 😀 is U+1F600, though its first UTF-16 unit is less than U+FFFF
    [`SELECT max(x) FROM ${texts}`, "😀"],
    [`SELECT max(x) FROM ${doubles}`, "2.5"],
  ],
  "stddev_samp()": [
    ["SELECT stddev_samp(x) FROM (VALUES (2), (4), (NULL), (6)) AS t(x)", "2.0"],
    ["SELECT stddev_samp(x) FROM (VALUES (2), (NULL)) AS t(x)", "NULL"],
    [`SELECT stddev_samp(x) FROM ${empty}`, "NULL"],
  ],
  "approx_distinct()": [
    [`SELECT approx_distinct(x) FROM ${numbers}`, "2"],
    [`SELECT approx_distinct(x) FROM ${empty}`, "0"],
  ],
  "approx_percentile()": [
    ["SELECT approx_percentile(x, 0.5) FROM (VALUES (7), (NULL), (7)) AS t(x)", "7"],
    [`SELECT approx_percentile(x, 0.5) FROM ${empty}`, "NULL"],
  ],
  "array_agg()": [
    ["SELECT array_agg(x) FROM (VALUES (1)) AS t(x)", "[1]"],
    ["SELECT array_agg(x) FROM (VALUES (CAST(NULL AS bigint))) AS t(x)", "[null]"],
    [`SELECT array_agg(x) FROM ${empty}`, "NULL"],
    ["SELECT array_agg(x) FILTER (WHERE x IS NOT NULL) FROM (VALUES (1), (NULL)) AS t(x)", "[1]"],
    ["SELECT array_agg(x) FILTER (WHERE x IS NOT NULL) FROM (VALUES (CAST(NULL AS bigint))) AS t(x)", "NULL"],
  ],
  "Filter FILTER": [
    [`SELECT count(*) FILTER (WHERE x > 0), sum(x) FILTER (WHERE x > 9) FROM ${numbers}`, "2 | NULL"],
    [`SELECT count(*) FILTER (WHERE x IS NULL OR x < 0) FROM ${numbers}`, "2"],
    // unknown is not true
    [`SELECT count(*) FILTER (WHERE x <> 3) FROM ${numbers}`, "1"],
  ],
  "SetQuantifier DISTINCT": [
    [`SELECT count(DISTINCT x) FROM ${texts}`, "6"],
    ["SELECT count(DISTINCT x) FROM (VALUES (TRUE), (NULL), (FALSE), (TRUE)) AS t(x)", "2"],
    [`SELECT DISTINCT x FROM ${numbers} ORDER BY 1`, "-5", "3", "NULL"],
  ],

  // windows
  "row_number()": [
    [
      `SELECT x, row_number() OVER (ORDER BY x) FROM ${numbers} ORDER BY 2`,
      "-5 | 1",
      "3 | 2",
      "3 | 3",
      "NULL | 4",
    ],
    [
      `SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) FROM ${pairs} ORDER BY 1, 3`,
      "a | 1 | 1",
      "a | NULL | 2",
      "b | -2 | 1",
      "NULL | 5 | 1",
    ],
  ],
  "rank()": [
    [
      `SELECT x, rank() OVER (ORDER BY x) FROM ${numbers} ORDER BY 2, 1`,
      "-5 | 1",
      "3 | 2",
      "3 | 2",
      "NULL | 4",
    ],
    [
      `SELECT x, rank() OVER (ORDER BY x DESC) FROM ${numbers} ORDER BY 2, 1`,
      "3 | 1",
      "3 | 1",
      "-5 | 3",
      "NULL | 4",
    ],
  ],
  "dense_rank()": [
    [
      `SELECT x, dense_rank() OVER (ORDER BY x) FROM ${numbers} ORDER BY 2, 1`,
      "-5 | 1",
      "3 | 2",
      "3 | 2",
      "NULL | 3",
    ],
  ],
  "Over OVER": [
    [
      `SELECT k, v, sum(v) OVER (PARTITION BY k), count(*) OVER () FROM ${pairs} ORDER BY 1, 2`,
      "a | 1 | 1 | 4",
      "a | NULL | 1 | 4",
      "b | -2 | -2 | 4",
      "NULL | 5 | 5 | 4",
    ],
    // with an order the frame ends at the last row that is equal to the current one
    [
      `SELECT x, sum(x) OVER (ORDER BY x) FROM ${numbers} ORDER BY 1`,
      "-5 | -5",
      "3 | 1",
      "3 | 1",
      "NULL | 1",
    ],
    [`SELECT count(*) OVER () FROM ${empty}`],
  ],

  // scalars
  "coalesce()": [
    ["SELECT coalesce(NULL, 2, 3), coalesce(CAST(NULL AS bigint), NULL), coalesce('', 'a')", "2 | NULL | "],
  ],
  "nullif()": [
    [
      "SELECT nullif(1, 1), nullif(1, 2), nullif(0e0, -0e0), nullif(NULL, 1), nullif(1, NULL)",
      "NULL | 1 | NULL | NULL | 1",
    ],
  ],
  "ceil()": [
    [
      "SELECT ceil(1.2), ceil(-1.2), ceil(-0.5e0), ceil(2.0), ceil(CAST(NULL AS double))",
      "2 | -1 | -0.0 | 2 | NULL",
    ],
    // decimal arithmetic is exact: 0.07 * 100 is 7, where doubles give 7.000000000000001
    ["SELECT ceil(0.07 * CAST(100 AS bigint)), ceil(0.07e0 * 100)", "7 | 8.0"],
  ],
  "cardinality()": [["SELECT cardinality(ARRAY[1, NULL]), cardinality(ARRAY['a'])", "2 | 1"]],
  "sequence()": [["SELECT sequence(3, 1), sequence(-1, 1), sequence(2, 2)", "[3, 2, 1] | [-1, 0, 1] | [2]"]],
  "element_at()": [
    [
      "SELECT element_at(ARRAY[5, 6], 1), element_at(ARRAY[5, 6], -1), element_at(ARRAY[5, 6], 3)",
      "5 | 6 | NULL",
    ],
    [`SELECT element_at(array_agg(x), 0), element_at(array_agg(x), 1) FROM ${empty}`, "NULL | NULL"],
  ],
  "array_sort()": [
    ["SELECT array_sort(ARRAY[3, NULL, -1, 3])", "[-1, 3, 3, null]"],
    ["SELECT array_sort(ARRAY['😀', '\uffff', 'a', 'B', ''])", "[, B, a, \uffff, 😀]"],
    [`SELECT array_sort(array_agg(x)) FROM ${empty}`, "NULL"],
  ],
  "starts_with()": [
    [
      "SELECT starts_with('banana', 'ba'), starts_with('banana', 'Ba'), starts_with('a', 'ab')",
      "true | false | false",
    ],
    [
      "SELECT starts_with('banana', ''), starts_with('', ''), starts_with('a_%', 'a_%'), starts_with('abc', 'a_')",
      "true | true | true | false",
    ],
    ["SELECT starts_with(NULL, 'a'), starts_with('a', NULL)", "NULL | NULL"],
    // code points, not what is drawn as one letter
    ["SELECT starts_with('e\u0301', 'e'), starts_with('é', 'e')", "true | false"],
  ],
  "strpos()": [
    ["SELECT strpos('banana', 'n'), strpos('banana', 'x'), strpos('banana', '')", "3 | 0 | 1"],
    ["SELECT strpos('😀b', 'b'), strpos(NULL, 'a'), strpos('a', NULL)", "2 | NULL | NULL"],
  ],
  "replace()": [
    [
      "SELECT replace('banana', 'an', 'o'), replace('banana', 'x', 'o'), replace('', 'x', 'o')",
      "booa | banana | ",
    ],
    ["SELECT replace('a\ue000b', '\ue000', '😀'), replace(NULL, 'a', 'b')", "a😀b | NULL"],
  ],
  "chr()": [
    ["SELECT chr(65), chr(128512), length(chr(0)), chr(0) = replace('x', 'x', chr(0))", "A | 😀 | 1 | true"],
    ["SELECT length(replace('axb', 'x', chr(0))), replace('axb', 'x', chr(0)) = 'a'", "3 | false"],
  ],
  "lower()": [["SELECT lower('ÄbC ß'), lower(''), lower(NULL)", "äbc ß |  | NULL"]],
  "hour()": [
    ["SELECT hour(TIMESTAMP '1969-12-31 23:59:59.999'), hour(CAST(NULL AS timestamp))", "23 | NULL"],
  ],
  "date_trunc('hour')": [
    ["SELECT date_trunc('hour', TIMESTAMP '2001-02-03 04:59:59.999')", "2001-02-03 04:00:00.000"],
    ["SELECT date_trunc('hour', TIMESTAMP '1969-12-31 23:59:59.999')", "1969-12-31 23:00:00.000"],
    ["SELECT date_trunc('hour', CAST(NULL AS timestamp))", "NULL"],
  ],
  "date_trunc('day')": [
    ["SELECT date_trunc('day', TIMESTAMP '2000-02-29 23:59:59.999')", "2000-02-29 00:00:00.000"],
    ["SELECT date_trunc('day', TIMESTAMP '1969-12-31 00:00:00.001')", "1969-12-31 00:00:00.000"],
    ["SELECT date_trunc('day', CAST(NULL AS timestamp))", "NULL"],
  ],
  // ISO weeks begin on Mondays
  "date_trunc('week')": [
    ["SELECT date_trunc('week', TIMESTAMP '2001-01-07 23:59:59.999')", "2001-01-01 00:00:00.000"],
    ["SELECT date_trunc('week', TIMESTAMP '2001-01-08 00:00:00')", "2001-01-08 00:00:00.000"],
    ["SELECT date_trunc('week', TIMESTAMP '2000-01-01 12:00:00')", "1999-12-27 00:00:00.000"],
    ["SELECT date_trunc('week', TIMESTAMP '1969-12-31 12:00:00')", "1969-12-29 00:00:00.000"],
  ],
  "date_trunc('month')": [
    ["SELECT date_trunc('month', TIMESTAMP '2000-02-29 23:59:59.999')", "2000-02-01 00:00:00.000"],
    ["SELECT date_trunc('month', TIMESTAMP '0001-01-31 12:00:00')", "0001-01-01 00:00:00.000"],
  ],
  "date_trunc('quarter')": [
    ["SELECT date_trunc('quarter', TIMESTAMP '2001-06-30 23:59:59.999')", "2001-04-01 00:00:00.000"],
    ["SELECT date_trunc('quarter', TIMESTAMP '2001-12-31 00:00:00')", "2001-10-01 00:00:00.000"],
  ],
  "date_trunc('year')": [
    ["SELECT date_trunc('year', TIMESTAMP '2000-12-31 23:59:59.999')", "2000-01-01 00:00:00.000"],
    ["SELECT date_trunc('year', TIMESTAMP '1969-06-01 00:00:00')", "1969-01-01 00:00:00.000"],
  ],
};
