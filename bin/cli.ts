/** `sluice`: every command. Each is loaded when it is called: `--help` needs no server. */
import { Command } from "commander";
import { SluiceError } from "../src/model/errors.ts";
import type { DeadLetterFlags } from "./commands/dead-letters.ts";
import type { ExplainFlags } from "./commands/explain.ts";
import type { RebuildFlags } from "./commands/live.ts";
import type { RefreshFlags } from "./commands/refresh.ts";
import type { StreamFlags } from "./commands/stream.ts";
import { readEnvironment, settings } from "./environment.ts";
import { explained } from "./failure.ts";

/** The command's own defaults come before those of all. */
const environment = (defaults: Readonly<Record<string, string>> = {}) =>
  readEnvironment({ ...defaults, ...process.env }, process.cwd());

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
  sluice stream                       only the micro-batches
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
  .command("stream")
  .argument("[sources...]", "names of sources (default: all that have a stream)")
  .option("--window <ms>", "a micro-batch closes when it is so old (default: SLUICE_WINDOW_MS, or 60000)")
  .option("--records <n>", "or holds so many records (default 10000)")
  .option("--bytes <n>", "or so many bytes of them, unpacked (default 16777216)")
  .option("--metrics-port <port>", "serve /metrics, as Prometheus reads them, and /health on HOST")
  .description("the micro-batches of one machine, until SIGINT or SIGTERM")
  .addHelpText(
    "after",
    `
Events are read from the checkpoints on, shard by shard, also across splits and merges; on a signal the running
micro-batches are finished, and the next start goes on behind them. However it ends, every event counts once.
With SLUICE_REDIS, the subscriptions of gateways that have the same are told; without it, gateways see the live
numbers when they are asked.

Examples:
  sluice stream                                           every source that has a stream
  sluice stream Order --window 5000                       one source, live within about five seconds
  sluice stream --metrics-port 9464                       curl http://127.0.0.1:9464/metrics`,
  )
  .action(async (sources: string[], options: StreamFlags) => {
    const log = process.stdout.isTTY ? "warn" : "info";
    const settled = environment({ SLUICE_WINDOW_MS: "60000", SLUICE_LOG: log });
    await (await import("./commands/stream.ts")).runStream(settled, sources, options);
  });

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
  .command("dead-letters")
  .argument("[source]", "name of a source or of its stream (default: all)")
  .option("--reason <reason>", "only letters of this reason, as BAD_VALUE")
  .option("--first <n>", "how many, newest first (default: 20; as JSON all)")
  .option("--all", "also those that were re-sent or admitted")
  .option("--json", "one letter a line, as JSON")
  .option("--replay", "re-send events that decode and are within the lateness now")
  .option("--admit", "put events that are too late for the stream into the lake")
  .option("--from <time>", "admit from this time on (default: where the lake begins)")
  .option("--dry-run", "tell how many letters --replay or --admit would take, and do nothing")
  .description("events that could not be applied: list them, re-send them after a fix, admit late ones")
  .addHelpText(
    "after",
    `
Examples:
  sluice dead-letters                                     what could not be applied, and why
  sluice dead-letters Order --reason BAD_VALUE --first 100
  sluice dead-letters Order --json | jq -r .text          the events as they came
  sluice dead-letters Order --replay                      the declaration is mended: once more
  sluice dead-letters Order --admit --dry-run             how many came too late?
  sluice dead-letters Order --admit && sluice refresh     they count from now on`,
  )
  .action(async (source: string | undefined, options: DeadLetterFlags) =>
    (await import("./commands/dead-letters.ts")).runDeadLetters(environment(), source, options),
  );

program
  .command("live")
  .description("repair what is live")
  .command("rebuild")
  .argument("<product>", "name of a product")
  .requiredOption("--from <time>", "compute the live items of this day or instant and later anew")
  .option("--dry-run", "tell how many items differ from what they should hold, and write nothing")
  .description("compute live items anew from the archive and the stream, while micro-batches go on")
  .addHelpText(
    "after",
    `
A live item holds a whole day, month or year, so it is computed from the beginning of that on. After a deployment of
another shape (a measure more, say) the items see what came before it, too, and stop being partial.

Examples:
  sluice live rebuild OrderActivity --from 2001-06-27 --dry-run      is anything wrong?
  sluice live rebuild OrderActivity --from 2001-06-27                repair it
  sluice live rebuild OrderActivity --from 2001-06-27T12:00:00Z`,
  )
  .action(async (product: string, options: RebuildFlags) =>
    (await import("./commands/live.ts")).runRebuild(environment(), product, options),
  );

program
  .command("replay")
  .argument("[sources...]", "names of sources (default: all whose sample data holds rows back)")
  .option("--speed <factor>", "event time per real time, or max (default: SLUICE_REPLAY_SPEED)")
  .description("put the held-back sample rows into their streams, going on where the last replay ended")
  .addHelpText(
    "after",
    `
It runs beside "sluice cloud" and what reads the streams; "sluice start" replays by itself. One replay runs per stream.

Examples:
  sluice replay                       all that is held back, at the speed of the environment
  sluice replay Order --speed 3600    an hour of orders a second
  sluice replay --speed max           as fast as possible`,
  )
  .action(async (sources: string[], options: { speed?: string }) =>
    (await import("./commands/replay.ts")).runReplay(environment(), sources, options),
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
