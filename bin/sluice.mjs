#!/usr/bin/env node
// Runs the TypeScript sources as they are; decorators need our compiler options wherever the products lie.
import { fileURLToPath } from "node:url";

process.env.TSX_TSCONFIG_PATH ??= fileURLToPath(new URL("products.tsconfig.json", import.meta.url));
// it says that releases after 2026 want Node 22; ours are pinned
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
const { register } = await import("tsx/esm/api");
register();
await import("./cli.ts");
