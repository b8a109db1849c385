/** What plain DuckDB answers, with the texts as bound values. Imports nothing of `src`. */
import type { Json } from "../e2e/client.ts";
import type { World } from "./world.ts";

/** The columns of letters that hold text; the first and the last are keys of rollups, the last is looked up. */
export const columns = ["sender", "subject", "alias"];
/** What an operator of StringFilter means, of a column and a bound text, or a bound list of texts. */
export const meanings: Readonly<Record<string, (column: string, bound: string) => string>> = {
  eq: (column, bound) => `${column} = ${bound}`,
  ne: (column, bound) => `${column} <> ${bound}`,
  startsWith: (column, bound) => `starts_with(${column}, ${bound})`,
  in: (column, bound) => `list_contains(${bound}, ${column})`,
  notIn: (column, bound) => `${column} IS NOT NULL AND NOT list_contains(${bound}, ${column})`,
};

export const counted = "count(l.pages) AS letters, count(DISTINCT l.subject) AS subjects";

/** What letters meet a condition, for each text: `operator` of a column. */
export async function truthOf(
  world: World,
  column: string,
  operator: string,
  texts: readonly string[],
): Promise<Json[]> {
  const rows = await world.truth(
    `SELECT ${counted} FROM (SELECT unnest($1::VARCHAR[]) AS x, generate_subscripts($1::VARCHAR[], 1) AS i) t
      LEFT JOIN letters l ON ${meanings[operator]!(`l.${column}`, "t.x")} GROUP BY t.i ORDER BY t.i`,
    [texts],
  );
  return rows.map(plain);
}

export function plain(row: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));
}
