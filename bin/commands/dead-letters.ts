/** `sluice dead-letters`: lists what could not be applied, re-sends what decodes by now, admits what is too late. */
import { listPartitions } from "../../etl/batch/partitions.ts";
import { admitLetters } from "../../etl/live/admit.ts";
import { beforeAll } from "../../etl/live/checkpoint.ts";
import { waitFor } from "../../etl/live/effects.ts";
import { allLetters, type Tally, tallyLetters } from "../../etl/live/letters.ts";
import type { RecordOptions } from "../../etl/live/letters-record.ts";
import { resendLetters } from "../../etl/live/resend.ts";
import { SluiceError, suggestion } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source } from "../../src/model/source.ts";
import { formatInstant, type Instant } from "../../src/model/time.ts";
import { streamedSources } from "../../src/schema/names.ts";
import { type Backends, backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { instantOf } from "../instant.ts";
import { collectLetters, letterJson, listingText } from "../letter-listing.ts";
import { loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { untilStopped } from "../signals.ts";

export interface DeadLetterFlags {
  readonly reason?: string;
  readonly first?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly replay?: boolean;
  readonly admit?: boolean;
  readonly from?: string;
  readonly dryRun?: boolean;
}

export async function runDeadLetters(
  environment: Environment,
  name: string | undefined,
  flags: DeadLetterFlags,
): Promise<void> {
  checkFlags(flags);
  const first = firstOf(flags);
  const from = flags.from === undefined ? undefined : instantOf("--from", flags.from);
  const sources = chosenSources(await loadProducts(environment.products), name);
  const stopping = new AbortController();
  void untilStopped().then(() => stopping.abort());
  const clients = connect(environment);
  try {
    const stores = backends(clients);
    for (const source of sources) {
      const letters = lettersOf(source, stores, environment, stopping.signal);
      if (flags.replay || flags.admit) await work(letters, stores, flags, from);
      else await list(letters, flags, first);
    }
  } finally {
    closeClients(clients);
  }
}

const listingFlags = ["reason", "first", "all", "json"] as const;

function checkFlags(flags: DeadLetterFlags): void {
  const working = flags.replay === true || flags.admit === true;
  if (flags.replay && flags.admit)
    throw misused("Letters are either re-sent (--replay) or admitted (--admit). Drop one of them.");
  if (flags.from !== undefined && !flags.admit)
    throw misused("--from goes with --admit. Add it, or drop --from.");
  if (flags.dryRun && !working) throw misused("--dry-run goes with --replay or --admit. Add one of them.");
  for (const flag of listingFlags)
    if (working && flags[flag] !== undefined)
      throw misused(
        `--replay and --admit take every letter that they can. --${flag} is for listing: drop it.`,
      );
}

const misused = (message: string): SluiceError => new SluiceError("BAD_USER_INPUT", message);

const shownByDefault = 20;

/** As JSON all are written, unless it is said how many. */
function firstOf({ first, json }: DeadLetterFlags): number | null {
  if (first === undefined) return json ? null : shownByDefault;
  if (/^[1-9]\d{0,5}$/.test(first)) return Number(first);
  throw misused(`--first is a whole number from 1 to 999999. Got "${first}".`);
}

/** By the name of a source or of its stream; all that have a stream for no name. */
function chosenSources(products: readonly Product[], name: string | undefined): readonly Source[] {
  const sources = streamedSources(products);
  if (name === undefined) return sources;
  const chosen = sources.filter((source) => source.name === name || source.stream!.name === name);
  if (chosen.length > 0) return chosen;
  const known = sources.flatMap((source) => [source.name, source.stream!.name]);
  throw misused(`There is no source with a stream "${name}".${suggestion(name, known)}`);
}

function lettersOf(
  source: Source,
  { control, deadLetters, lake }: Backends,
  environment: Environment,
  signal: AbortSignal,
): RecordOptions {
  const effects = {
    clock: Date.now,
    random: Math.random,
    wait: waitFor,
    log: logger(environment),
    signal,
  };
  return { source, stream: source.stream!, control, deadLetters, lake, effects };
}

async function list(letters: RecordOptions, flags: DeadLetterFlags, first: number | null): Promise<void> {
  const chosen = { all: flags.all ?? false, ...(flags.reason !== undefined && { reason: flags.reason }) };
  if (first === null) {
    for await (const letter of allLetters(letters))
      if ((chosen.all || letter.settled === null) && (flags.reason ?? letter.reason) === letter.reason)
        console.log(letterJson(letter));
    return;
  }
  const listing = await collectLetters(allLetters(letters), { ...chosen, first });
  if (flags.json) for (const letter of listing.shown) console.log(letterJson(letter));
  else console.log(listingText(letters.source.name, listing));
}

async function work(
  letters: RecordOptions,
  stores: Backends,
  flags: DeadLetterFlags,
  from: Instant | undefined,
): Promise<void> {
  const { source } = letters;
  const earliest = from ?? (await firstPartition(source, stores));
  const say = (lines: readonly string[]): void => console.log(lines.join("\n"));
  if (flags.dryRun) {
    const tally = await tallyLetters(letters, earliest);
    const can = flags.admit
      ? `${tally.counts.late} can be admitted`
      : `${tally.counts.resendable} can be re-sent`;
    say([`${source.name}: ${can}.`, ...leftLines(tally, earliest, flags)]);
  } else if (flags.admit) {
    const { admitted, left } = await admitLetters({
      ...letters,
      from: earliest,
      progress: progress("admitted"),
    });
    const then = admitted > 0 ? ` The next "sluice refresh" counts them.` : "";
    say([`${source.name}: ${admitted} admitted to the lake.${then}`, ...leftLines(left, earliest, flags)]);
  } else {
    const { resent, left } = await resendLetters({
      ...letters,
      events: stores.replayStreamOf(letters.stream),
      admitFrom: earliest,
      progress: progress("re-sent"),
    });
    say([
      `${source.name}: ${resent} re-sent into "${letters.stream.name}".`,
      ...leftLines(left, earliest, flags),
    ]);
  }
}

/** Where coverage begins: earlier events would move it. */
async function firstPartition(source: Source, { lake }: Backends): Promise<Instant> {
  const [first] = (await listPartitions(source, lake)).values();
  return first?.range.from ?? beforeAll;
}

/** What is left, and what can be done about it. */
function leftLines({ counts, problems }: Tally, earliest: Instant, { admit }: DeadLetterFlags): string[] {
  const { resendable, late, early, bad } = counts;
  const day = formatInstant(earliest).slice(0, 10);
  return [
    ...(admit && resendable > 0 ? [`  ${resendable} are within the lateness: --replay re-sends them`] : []),
    ...(!admit && late > 0 ? [`  ${late} are too late for the stream: --admit puts them into the lake`] : []),
    ...(early > 0
      ? [`  ${early} are of a time before ${day}, where coverage begins: --admit --from <time> takes them in`]
      : []),
    ...(bad > 0 ? [`  ${bad} cannot be applied as the source is declared now:`] : []),
    ...[...problems].map(([reason, { count, detail }]) => `    ${reason} (${count}): ${detail}`),
  ];
}

/** A count that moves on a terminal; none elsewhere. */
function progress(what: string): (count: number) => void {
  if (!process.stderr.isTTY) return () => {};
  return (count) => process.stderr.write(`\r${count.toLocaleString("en")} ${what} …\x1b[K\r`);
}
