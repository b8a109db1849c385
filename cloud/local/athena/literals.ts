/** Literals: `0.9` is a decimal, `9e-1` a double, integers are integer or bigint by their size. */
import type { Constant } from "./ast.ts";
import type { Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import { text } from "./scope.ts";
import { bigint, decimal, double, integer, unknown, varchar } from "./types.ts";

/** The literal, typed as Trino types it. */
export function literal(expr: Constant): Typed {
  const { is_null: isNull, type, value } = expr.value;
  if (isNull || value === undefined) return { sql: "NULL", type: unknown };
  switch (type.id) {
    case "VARCHAR":
      return { sql: text(String(value)), type: varchar, constant: String(value) };
    case "INTEGER":
      return { sql: String(value), type: integer };
    case "BIGINT":
      return { sql: String(value), type: bigint };
    case "DOUBLE":
      return { sql: /e/i.test(String(value)) ? String(value) : `${String(value)}e0`, type: double };
    case "DECIMAL":
      return decimalLiteral(BigInt(value), type.type_info?.scale ?? 0);
    default:
      throw unsupported(`a literal of type ${type.id}`);
  }
}

function decimalLiteral(unscaled: bigint, scale: number): Typed {
  const sign = unscaled < 0n ? "-" : "";
  const all = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const [whole, fraction] = [all.slice(0, all.length - scale), all.slice(all.length - scale)];
  const significant = whole === "0" ? fraction.length : all.length;
  const type = decimal(Math.max(1, significant), scale);
  // 0.9 is DECIMAL(1,1) in Trino and DECIMAL(2,1) in DuckDB: a cast pins it
  return { sql: `CAST(${sign}${whole}.${fraction} AS DECIMAL(${Math.max(1, significant)},${scale}))`, type };
}
