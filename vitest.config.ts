import { defineConfig } from "vitest/config";

export default defineConfig({
  // vitest would load graphql twice (ESM and CJS) and instanceof checks would fail
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", "./test/ci-reporter.ts"],
  },
});
