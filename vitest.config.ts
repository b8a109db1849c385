import { defineConfig } from "vitest/config";
import LongestFirst from "./test/longest-first.ts";

export default defineConfig({
  // vitest would load graphql twice (ESM and CJS) and instanceof checks would fail
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    setupFiles: ["./test/trino/name-the-file.ts"],
    reporters: ["default", "./test/ci-reporter.ts", "./test/trino/statement-reporter.ts"],
  },
});
