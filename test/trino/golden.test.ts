/** The embedded Athena gives the golden results, and whatever our statements may use has some. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AthenaClient } from "@aws-sdk/client-athena";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningAthena, startAthena } from "../../cloud/local/athena.ts";
import { athenaClient, query } from "../cloud/athena-client.ts";
import { parseStatement } from "./grammar.ts";
import { golden } from "./white-list.ts";

const folder = mkdtempSync(join(tmpdir(), "trino-golden-"));
let athena: RunningAthena;
let client: AthenaClient;

beforeAll(async () => {
  athena = await startAthena({ folder: join(folder, "athena"), s3Folder: join(folder, "s3"), threads: 1 });
  client = athenaClient(athena.endpoint);
});
afterAll(async () => {
  client.destroy();
  await athena.close();
  rmSync(folder, { recursive: true });
});

describe.each(Object.entries(golden))("%s", (use, queries) => {
  it.each(queries)("%s", async (sql, ...expected) => {
    const { rows } = await query(client, sql);
    expect(rows.map((cells) => cells.map((cell) => cell ?? "NULL").join(" | "))).toEqual(expected);
  });

  it("is what its queries use", () => {
    expect(queries.length).toBeGreaterThan(0);
    for (const [sql] of queries) {
      const { faults, uses } = parseStatement(sql);
      expect(faults).toEqual([]);
      expect(uses).toContain(use);
    }
  });
});
