/** A lake of letters whose texts are hostile. Values are bound, never written as SQL. Imports nothing of `src`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import { pick, seeded } from "../property/random.ts";
import { hostileTexts, isText } from "./texts.ts";

export interface Posted {
  readonly at: string;
  readonly sender: string | null;
  readonly subject: string;
  readonly pages: number;
}

const days = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-29"];
const times = ["00:00:00", "12:30:00.5", "23:59:59.999"];

/** Two in three of the texts send a letter, and most of those have an alias. */
export async function writeLake(duck: DuckDBConnection, lake: string): Promise<void> {
  const random = seeded(5);
  const texts = hostileTexts.filter(isText);
  const senders = texts.filter(() => random() < 0.67);
  const aliased = senders.filter(() => random() < 0.8);
  await duck.run(`CREATE TABLE senders (name VARCHAR, alias VARCHAR);
    CREATE TABLE letters ("at" TIMESTAMP, sender VARCHAR, subject VARCHAR, pages BIGINT, alias VARCHAR);`);
  await duck.run("INSERT INTO senders SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])", [
    listValue(aliased),
    listValue(aliased.map(() => pick(random, texts))),
  ]);
  await insertLetters(
    duck,
    [...senders, ...Array.from({ length: 50 }, () => null)].map((sender) => ({
      at: `${pick(random, days)} ${pick(random, times)}`,
      sender,
      subject: pick(random, texts),
      pages: Math.floor(random() * 100),
    })),
  );
  for (const table of ["senders", "letters"]) mkdirSync(join(lake, table), { recursive: true });
  await duck.run(`COPY senders TO '${lake}/senders/senders.parquet' (FORMAT parquet)`);
  await duck.run(
    `COPY (SELECT "at", sender, subject, pages, strftime("at", '%Y-%m-%d') AS "day" FROM letters)
      TO '${lake}/letters' (FORMAT parquet, PARTITION_BY ("day"))`,
  );
}

/** With the alias of their senders. */
export async function insertLetters(duck: DuckDBConnection, letters: readonly Posted[]): Promise<void> {
  await duck.run(
    `INSERT INTO letters SELECT l.*, alias FROM (SELECT unnest($1::VARCHAR[])::TIMESTAMP AS "at", unnest($2::VARCHAR[]) AS sender,
      unnest($3::VARCHAR[]) AS subject, unnest($4::VARCHAR[])::BIGINT AS pages) l LEFT JOIN senders ON name = sender`,
    [
      listValue(letters.map(({ at }) => at.replace("T", " ").replace("Z", ""))),
      listValue(letters.map(({ sender }) => sender)),
      listValue(letters.map(({ subject }) => subject)),
      listValue(letters.map(({ pages }) => String(pages))),
    ],
  );
}
