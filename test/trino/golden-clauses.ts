/**
 * The clauses, operators, types and literals that our statements may use, by their names in the grammar, and the results
 * that Trino's documentation gives for them ("SELECT", "Data types"). The embedded Athena is held to every row.
 */
import { numbers, texts, empty, pairs, type GoldenQuery } from "./golden-data.ts";

export const goldenClauses: Readonly<Record<string, readonly GoldenQuery[]>> = {
  // operators and conditions
  "And AND": [
    ["SELECT TRUE AND NULL, FALSE AND NULL, TRUE AND FALSE, TRUE AND TRUE", "NULL | false | false | true"],
  ],
  "Or OR": [
    ["SELECT TRUE OR NULL, FALSE OR NULL, FALSE OR FALSE, TRUE OR FALSE", "true | NULL | false | true"],
  ],
  "ComparisonOperator =": [
    [
      "SELECT 1 = 1, 'a' = 'A', 'a' = 'a ', NULL = NULL, nan() = nan()",
      "true | false | false | NULL | false",
    ],
  ],
  "ComparisonOperator <>": [["SELECT 1 <> 1, 'a' <> 'A', 1 <> NULL", "false | true | NULL"]],
  "ComparisonOperator <": [
    ["SELECT -2 < 1, 'Z' < 'a', '\uffff' < '😀', 1 < NULL", "true | true | true | NULL"],
  ],
  "ComparisonOperator <=": [["SELECT 1 <= 1, 2 <= 1, 1 <= NULL", "true | false | NULL"]],
  "ComparisonOperator >": [["SELECT 2 > 1, 1 > 1, '😀' > '\uffff', NULL > 1", "true | false | true | NULL"]],
  "ComparisonOperator >=": [["SELECT 1 >= 1, -1 >= 0, NULL >= 1", "true | false | NULL"]],
  "Between BETWEEN AND": [
    [
      "SELECT 2 BETWEEN 1 AND 2, 3 BETWEEN 1 AND 2, 2 BETWEEN 2 AND 1, 2 BETWEEN NULL AND 3",
      "true | false | false | NULL",
    ],
    [
      "SELECT '2001-02' BETWEEN '2001-01' AND '2001-12', '2001' BETWEEN '2001-01' AND '2001-12'",
      "true | false",
    ],
  ],
  "InList IN": [
    ["SELECT 1 IN (1, NULL), 2 IN (1, NULL), NULL IN (1), 'a' IN ('A', 'a ')", "true | NULL | NULL | false"],
    [`SELECT count(*) FROM ${texts} WHERE x IN ('', 'b', '😀')`, "3"],
  ],
  "InList NOT IN": [
    ["SELECT 1 NOT IN (2, 3), 1 NOT IN (2, NULL), NULL NOT IN (1)", "true | NULL | NULL"],
    [`SELECT count(*) FROM ${texts} WHERE x NOT IN ('', 'b')`, "4"],
  ],
  "NullPredicate IS NULL": [["SELECT NULL IS NULL, '' IS NULL, nan() IS NULL", "true | false | false"]],
  "NullPredicate IS NOT NULL": [["SELECT NULL IS NOT NULL, '' IS NOT NULL", "false | true"]],
  "ArithmeticBinary +": [["SELECT 3 + -5, 0.1e0 + 0.2e0, 1 + NULL", "-2 | 0.30000000000000004 | NULL"]],
  "ArithmeticBinary *": [
    ["SELECT -3 * 2, 0.5 * CAST(7 AS bigint), 0.1e0 * 3, 1 * NULL", "-6 | 3.5 | 0.30000000000000004 | NULL"],
  ],
  "ArithmeticBinary /": [
    ["SELECT 7e0 / 2, -7e0 / 2, 1e0 / nullif(0e0, 0e0), NULL / 2e0", "3.5 | -3.5 | NULL | NULL"],
    ["SELECT 7 / 2, -7 / 2, 1e0 / 0e0", "3 | -3 | Infinity"],
  ],
  "SearchedCase CASE END": [
    ["SELECT CASE WHEN 1 IN (1, 2) THEN 'a' END, CASE WHEN 3 IN (1, 2) THEN 'a' END", "a | NULL"],
    // the first that is true; unknown is not
    ["SELECT CASE WHEN NULL THEN 1 WHEN TRUE THEN 2 WHEN TRUE THEN 3 END", "2"],
  ],
  "SimpleCase CASE END": [
    [
      "SELECT CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END, CASE 3 WHEN 1 THEN 'a' END, CASE NULL WHEN NULL THEN 1 END",
      "b | NULL | NULL",
    ],
  ],
  "SimpleCase CASE ELSE END": [
    ["SELECT CASE 3 WHEN 1 THEN 'a' ELSE 'c' END, CASE NULL WHEN 1 THEN 'a' ELSE 'c' END", "c | c"],
  ],

  // values and types
  "BooleanValue TRUE": [["SELECT TRUE", "true"]],
  "BooleanValue FALSE": [["SELECT FALSE", "false"]],
  "NullLiteral NULL": [["SELECT NULL", "NULL"]],
  IntegerLiteral: [["SELECT 0, 2147483648, 9223372036854775807", "0 | 2147483648 | 9223372036854775807"]],
  DecimalLiteral: [["SELECT 0.1 + 0.2, 0.999999999999999999", "0.3 | 0.999999999999999999"]],
  DoubleLiteral: [["SELECT 1e-7, 1.5e0, 2.5e3, 1e0 / 0", "1.0E-7 | 1.5 | 2500.0 | Infinity"]],
  BasicStringLiteral: [
    // a quote is doubled; nothing else has a meaning, backslashes neither
    [
      `SELECT 'it''s', '''', '', '\\', '\\''', '--', '/*', ';', '?', '"', '\\u0027', 'U&\\0027'`,
      `it's | ' |  | \\ | \\' | -- | /* | ; | ? | " | \\u0027 | U&\\0027`,
    ],
  ],
  TypeConstructor: [
    [
      "SELECT TIMESTAMP '1969-12-31 23:59:59.999', TIMESTAMP '0001-01-01 00:00:00'",
      "1969-12-31 23:59:59.999 | 0001-01-01 00:00:00.000",
    ],
  ],
  "ArrayConstructor ARRAY": [["SELECT ARRAY[1, NULL], ARRAY['it''s']", "[1, null] | [it's]"]],
  "type bigint": [
    [
      "SELECT CAST(2.5e0 AS bigint), CAST(-2.5e0 AS bigint), CAST(2.4 AS bigint), CAST('12' AS bigint), CAST(NULL AS bigint)",
      "3 | -3 | 2 | 12 | NULL",
    ],
  ],
  "type double": [
    [
      "SELECT CAST(1 AS double), CAST(9007199254740993 AS double), CAST(0.1 AS double), CAST(NULL AS double)",
      "1.0 | 9.007199254740992E15 | 0.1 | NULL",
    ],
  ],
  "type boolean": [["SELECT CAST('true' AS boolean), CAST(NULL AS boolean)", "true | NULL"]],
  "type varchar": [
    [
      "SELECT CAST(-12 AS varchar), CAST(TRUE AS varchar), CAST('it''s' AS varchar), CAST(NULL AS varchar)",
      "-12 | true | it's | NULL",
    ],
    ["SELECT CAST(TIMESTAMP '2001-01-01 00:00:00' AS varchar)", "2001-01-01 00:00:00.000"],
  ],
  "DateTimeType TIMESTAMP": [
    [
      "SELECT CAST(NULL AS timestamp), CAST('2001-02-03 04:05:06.7' AS timestamp)",
      "NULL | 2001-02-03 04:05:06.700",
    ],
  ],

  // groups, joins, order
  GroupBy: [
    // NULL is a group
    [
      `SELECT k, count(*), sum(v) FROM ${pairs} GROUP BY 1 ORDER BY 1`,
      "a | 2 | 1",
      "b | 1 | -2",
      "NULL | 1 | 5",
    ],
    [`SELECT x, count(*) FROM ${empty} GROUP BY 1`],
  ],
  "MultipleGroupingSets GROUPING SETS": [
    [
      `SELECT k, sum(v) FROM ${pairs} GROUP BY GROUPING SETS ((k), ()) ORDER BY 2`,
      "b | -2",
      "a | 1",
      "NULL | 4",
      "NULL | 5",
    ],
  ],
  "GroupingOperation GROUPING": [
    [
      `SELECT grouping(k, v), k, v FROM ${pairs} WHERE v > 0 GROUP BY GROUPING SETS ((k), (v), (k, v)) ORDER BY 1, 2, 3`,
      "0 | a | 1",
      "0 | NULL | 5",
      "1 | a | NULL",
      "1 | NULL | NULL",
      "2 | NULL | 1",
      "2 | NULL | 5",
    ],
  ],
  "Unnest UNNEST": [
    [
      "SELECT n, x FROM (VALUES (7), (8)) AS t(x) CROSS JOIN UNNEST(ARRAY[1, 2]) AS u(n) ORDER BY 1, 2",
      "1 | 7",
      "1 | 8",
      "2 | 7",
      "2 | 8",
    ],
  ],
  "JoinRelation CROSS JOIN": [
    [
      "SELECT a, b FROM (VALUES (1)) AS t(a) CROSS JOIN (VALUES (2), (NULL)) AS u(b) ORDER BY 2",
      "1 | 2",
      "1 | NULL",
    ],
  ],
  "JoinType LEFT": [
    // NULL joins nothing, and no row is lost
    [
      `SELECT k, v, w FROM ${pairs} LEFT JOIN (VALUES ('a', 10), (NULL, 20)) AS u(j, w) ON k = j ORDER BY 2`,
      "b | -2 | NULL",
      "a | 1 | 10",
      "NULL | 5 | NULL",
      "a | NULL | 10",
    ],
  ],
  SortItem: [
    [`SELECT x FROM ${texts} ORDER BY x`, "", "B", "b", "ä", "\uffff", "😀", "NULL"],
    [`SELECT x FROM ${numbers} ORDER BY 1`, "-5", "3", "3", "NULL"],
  ],
  "SortItem ASC NULLS LAST": [
    [`SELECT x FROM ${numbers} ORDER BY x ASC NULLS LAST`, "-5", "3", "3", "NULL"],
    [
      "SELECT x FROM (VALUES (TRUE), (NULL), (FALSE)) AS t(x) ORDER BY x ASC NULLS LAST",
      "false",
      "true",
      "NULL",
    ],
  ],
  "SortItem DESC": [[`SELECT x FROM ${numbers} ORDER BY x DESC`, "3", "3", "-5", "NULL"]],
  "SortItem NULLS FIRST": [[`SELECT x FROM ${numbers} ORDER BY x NULLS FIRST`, "NULL", "-5", "3", "3"]],
  "SortItem DESC NULLS LAST": [
    [`SELECT x FROM ${numbers} ORDER BY x DESC NULLS LAST`, "3", "3", "-5", "NULL"],
  ],
  LimitRowCount: [
    [`SELECT x FROM ${numbers} ORDER BY 1 LIMIT 2`, "-5", "3"],
    [`SELECT x FROM ${numbers} LIMIT 0`],
  ],
};
