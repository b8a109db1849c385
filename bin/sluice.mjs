#!/usr/bin/env node
// Runs the TypeScript sources as they are; the decorators need the project's own tsconfig, whatever the folder.
import { fileURLToPath } from "node:url";

process.env.TSX_TSCONFIG_PATH ??= fileURLToPath(new URL("../tsconfig.json", import.meta.url));
const { register } = await import("tsx/esm/api");
register();
await import("./cli.ts");
