/** `sluice`: every command. Each is loaded when it is called: `--help` needs no server. */
import { Command } from "commander";
import { SluiceError } from "../src/model/errors.ts";
import type { ExplainFlags } from "./commands/explain.ts";
import type { RefreshFlags } from "./commands/refresh.ts";
import { readEnvironment, settings } from "./environment.ts";
import { explained } from "./failure.ts";

const environment = () => readEnvironment(process.env, process.cwd());

const program = new Command("sluice")
  .description(
    "A GraphQL gateway for data products: declared once, served from DynamoDB, Athena and Kinesis.",
  )
  .showSuggestionAfterError()
  .addHelpText(
    "after",
    `
Settings (environment):
${settings.map(([name, meaning]) => `  ${name.padEnd(26)} ${meaning}`).join("\n")}

Examples:
  sluice start                        everything on this machine, with the sample data
  sluice refresh                      brings all products up to date with the lake
  sluice refresh OrderActivity       only one
  sluice editions OrderActivity      what has been published of it
  SLUICE_REPLAY_SPEED=max sluice start`,
  );

program
  .command("start")
  .description("the embedded cloud, sample lake, micro-batches, refresh, replay and gateway in one")
  .action(async () => (await import("./commands/start.ts")).runStart(environment()));

program
  .command("serve")
  .description("a gateway alone, over the stores and the Redis that other processes fill")
  .addHelpText(
    "after",
    `
For several nodes: each listens on its own PORT and HOST, all with the same SLUICE_REDIS and SLUICE_CURSOR_SECRET. It
serves the embedded cloud of SLUICE_DATA, or with SLUICE_CLOUD=aws an account. Without SLUICE_REDIS, subscriptions move
with refreshes only.

It knows no tokens yet: whoever reaches it from the same machine is an analyst, all others are refused. So it
listens on 127.0.0.1 unless HOST says otherwise. SIGTERM ends it after what it is answering.

Examples:
  sluice start                                            fills an embedded cloud, and serves it on port 4000
  PORT=4001 sluice serve                                  one more gateway of it
  SLUICE_REDIS=redis://127.0.0.1 SLUICE_CURSOR_SECRET=… PORT=4001 sluice serve
                                                          with live updates, where start has the same settings`,
  )
  .action(async () => (await import("./commands/serve.ts")).runServe(environment()));

program
  .command("refresh")
  .argument("[products...]", "names of products (default: all)")
  .option("--full", "compute everything anew")
  .option("--from <time>", "recount partitions from this day or instant on, changed or not")
  .option("--to <time>", "recount partitions before this day or instant")
  .option("--dry-run", "tell what would be done, and do nothing")
  .description("bring products up to date with the lake: changed partitions only")
  .addHelpText(
    "after",
    `
Examples:
  sluice refresh                                          whatever has changed
  sluice refresh OrderActivity --dry-run                  what would that be?
  sluice refresh OrderActivity --from 2001-06-01 --to 2001-06-08
                                                          a week once more, as after a late correction
  sluice refresh OrderActivity --full                     everything, from the first partition on`,
  )
  .action(async (products: string[], options: RefreshFlags) =>
    (await import("./commands/refresh.ts")).runRefresh(environment(), products, options),
  );

program
  .command("rollback")
  .argument("<product>", "name of a product")
  .option("--to <edition>", "the edition to publish again (default: the one before the current content)")
  .option("--release", "lift the hold, so that refreshes publish again")
  .description("publish an earlier edition again and hold it: no refresh publishes before --release")
  .addHelpText(
    "after",
    `
Examples:
  sluice editions OrderActivity                           what there is to go back to
  sluice rollback OrderActivity                           one edition back; once more: two back
  sluice rollback OrderActivity --to 20010628T010203456Z-1f2e3d4c
  sluice rollback OrderActivity --release                 the lake is mended: go on`,
  )
  .action(async (product: string, options: { to?: string; release?: boolean }) =>
    (await import("./commands/rollback.ts")).runRollback(environment(), product, options),
  );

program
  .command("editions")
  .argument("<product>", "name of a product")
  .option("--first <n>", "how many, newest first", "10")
  .description("list what has been published of a product")
  .action(async (product: string, options: { first: string }) =>
    (await import("./commands/editions.ts")).listEditions(environment(), product, options),
  );

program
  .command("explain")
  .argument("<query>", "a GraphQL query")
  .option("--variables <json>", "its variables, as a JSON object")
  .option("--json", "the plan as JSON, with every key")
  .description(
    "the plan of a query without running it: sources, keys, SQL, bytes, and what would be served from a rollup",
  )
  .addHelpText(
    "after",
    `
Nothing is sent to Athena, and no insight is read.

Examples:
  sluice explain '{ orderActivity { orders series(grain: MONTH) { orders } } }'
  sluice explain 'query($shop: String) { orderActivity(where: { shop: { eq: $shop } }) { p90Total } }' \\
    --variables '{ "shop": "Bern" }'
  sluice explain --json "$(cat query.graphql)" | jq -r '.statements[].sql'`,
  )
  .action(async (query: string, options: ExplainFlags) =>
    (await import("./commands/explain.ts")).runExplain(environment(), query, options),
  );

program
  .command("cloud")
  .description("the embedded cloud alone")
  .action(async () => (await import("./commands/cloud.ts")).runCloud(environment()));

program
  .command("schema")
  .option("--write [file]", "write it to a file (default schema.graphql) instead of printing it")
  .option("--check [file]", "fail when the file differs from the declarations")
  .description("the GraphQL schema of the declared products")
  .action(async (options: { write?: string | true; check?: string | true }) =>
    (await import("./commands/schema.ts")).writeSchema(environment(), options),
  );

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  console.error(`sluice: ${explained(error)}`);
  process.exitCode = 1;
}
