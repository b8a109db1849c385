/** Ends a run with one plain line, and fails it in CI when a test was skipped. */
import type { Reporter, TestModule } from "vitest/node";

export default class CiReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) for (const test of module.children.allTests()) count[test.result().state]++;
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
    if (process.env.CI !== undefined && count.skipped + count.pending > 0) process.exitCode = 1;
  }
}
