/**
 * Holds every statement that a run has sent to Athena against Trino's grammar and the white list, and fails the run
 * for one that breaks them. `recorder.mjs` notes the statements, in the tests' processes and in those they start.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Reporter, TestModule } from "vitest/node";
import type { Sent } from "./sent.ts";

/** Files of tests that none can pass without a statement. */
const asksAthena = /\/test\/(?:e2e\/(?:flights|strikes)|groups\/random|hostile\/hostile)\.test\.ts$/;

/** Some of its tests were not asked for (`-t`). */
const isFiltered = (each: TestModule): boolean => [...each.children.allTests("skipped")].length > 0;

export default class StatementReporter implements Reporter {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "sluice-statements-"));

  /** Before any process of the run is started, so that all inherit it. */
  onInit(): void {
    const recorder = new URL("recorder.mjs", import.meta.url).href;
    process.env["SLUICE_TEST_STATEMENTS"] = this.#folder;
    process.env["NODE_OPTIONS"] = `${process.env["NODE_OPTIONS"] ?? ""} --import=${recorder}`.trim();
  }

  async onTestRunEnd(modules: readonly TestModule[] = []): Promise<void> {
    const sent = this.#sent();
    if (sent.length === 0) return this.#expectSilence(modules);
    // the grammar takes most of a second to load
    const { formsOf, problemOf } = await import("./sent.ts");
    const began = performance.now();
    const forms = formsOf(sent);
    const problems: string[] = [];
    for (const form of forms) {
      // vitest is still closing its workers
      await setImmediate();
      const problem = problemOf(form);
      if (problem !== null) problems.push(problem);
    }
    const seconds = ((performance.now() - began) / 1_000).toFixed(1);
    console.log(
      `\n${forms.length} forms of ${sent.length} statements held against Trino's grammar in ${seconds} s`,
    );
    if (problems.length === 0) return;
    console.error(`\n${problems.join("\n\n")}\n\n${problems.length} statements are not Trino's.`);
    process.exitCode = 1;
  }

  /** A recorder that notes nothing would let everything pass. */
  #expectSilence(modules: readonly TestModule[]): void {
    const asking = modules.filter((each) => asksAthena.test(each.moduleId) && each.state() === "passed");
    if (asking.every(isFiltered)) return;
    console.error(
      `\nNo statement was noted, though ${asking[0]!.moduleId} asks Athena: the recorder is broken.`,
    );
    process.exitCode = 1;
  }

  #sent(): Sent[] {
    const files = readdirSync(this.#folder).map((file) => path.join(this.#folder, file));
    const lines = files.flatMap((file) => readFileSync(file, "utf8").trimEnd().split("\n"));
    for (const file of files) rmSync(file);
    return lines.map((line) => JSON.parse(line) as Sent);
  }
}
