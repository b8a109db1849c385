/** What the golden queries are asked of. */

/** A query, and its rows in order: cells joined by " | ", NULL as NULL. */
export type GoldenQuery = readonly [sql: string, ...rows: string[]];

export const numbers = "(VALUES (3), (-5), (NULL), (3)) AS t(x)";
export const doubles = "(VALUES (2.5e0), (-1e0), (NULL), (nan())) AS t(x)";
export const texts = "(VALUES ('b'), (''), (NULL), ('B'), ('ä'), ('\uffff'), ('😀')) AS t(x)";
export const empty = "(VALUES (1)) AS t(x) WHERE x > 1";
export const pairs = "(VALUES ('a', 1), ('a', NULL), (NULL, 5), ('b', -2)) AS t(k, v)";
