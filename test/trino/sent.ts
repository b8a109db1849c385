/** What a test run has sent to Athena, held against the grammar and the white list. */
import { allowedUses } from "./white-list.ts";
import { formOf, parseSent } from "./statement.ts";

/** As `recorder.mjs` notes it. */
export interface Sent {
  /** The test file that sent it, itself or by a process that it started. */
  readonly file: string | null;
  readonly sql: string;
}

/** Folders and files whose statements are not the product's, and why. */
const othersStatements: Readonly<Record<string, string>> = {
  "test/cloud/": "asks the embedded Athena what the product never asks, wrong SQL too",
  "test/trino/golden.test.ts": "asks for the golden results",
  "test/backends/warehouse.test.ts": "lets statements of its own fail, to see the codes",
};

/** The statements that are the product's, the shortest of each form. */
export function formsOf(sent: readonly Sent[]): readonly Sent[] {
  const forms = new Map<string, Sent>();
  for (const each of sent) {
    if (Object.keys(othersStatements).some((path) => each.file?.includes(`/${path}`))) continue;
    const form = formOf(each.sql);
    const known = forms.get(form);
    if (known === undefined || each.sql.length < known.sql.length) forms.set(form, each);
  }
  return [...forms.values()];
}

/** A message for a statement that Trino would refuse, or that uses what has no golden results; null for any other. */
export function problemOf({ file, sql }: Sent): string | null {
  const problems = statementProblems(sql);
  return problems.length === 0 ? null : `${problems.join("\n")}\nin a statement of ${file}:\n${sql}`;
}

/** What is wrong with one statement. */
export function statementProblems(sql: string): string[] {
  const { faults, uses } = parseSent(sql);
  if (faults.length > 0) return faults.map((fault) => `Trino's grammar refuses ${fault}`);
  return [...uses]
    .filter((use) => !allowedUses.has(use))
    .map((use) => `No golden results for ${use}: add rows to test/trino/golden-*.ts, as Trino documents it`);
}
