/** Dead letters as an operator reads them: how many of which reason, and the newest ones; or as JSON. */
import type { StoredLetter } from "../src/backends/dead-letters.ts";
import { plainSequence } from "../src/model/sequence.ts";
import { formatInstant } from "../src/model/time.ts";

export interface ListingOptions {
  /** Of this reason only. */
  readonly reason?: string;
  /** Also those that something became of. */
  readonly all: boolean;
  /** How many are shown, newest first. */
  readonly first: number;
}

interface ReasonCount {
  open: number;
  replayed: number;
  admitted: number;
}

export interface Listing {
  readonly reasons: ReadonlyMap<string, Readonly<ReasonCount>>;
  readonly shown: readonly StoredLetter[];
  /** Letters that would have been shown without `first`. */
  readonly matching: number;
}

/** Reads all letters and keeps the newest ones. */
export async function collectLetters(
  letters: AsyncIterable<StoredLetter>,
  { reason, all, first }: ListingOptions,
): Promise<Listing> {
  const reasons = new Map<string, ReasonCount>();
  let newest: StoredLetter[] = [];
  let matching = 0;
  for await (const letter of letters) {
    count(reasons, letter);
    if ((reason !== undefined && letter.reason !== reason) || (!all && letter.settled !== null)) continue;
    matching++;
    newest.push(letter);
    if (newest.length >= 2 * first + 100) newest = newestOf(newest, first);
  }
  return { reasons, shown: newestOf(newest, first), matching };
}

function count(reasons: Map<string, ReasonCount>, { reason, settled }: StoredLetter): void {
  const counts = reasons.get(reason) ?? { open: 0, replayed: 0, admitted: 0 };
  reasons.set(reason, counts);
  if (settled === null) counts.open++;
  else if (settled.outcome === "REPLAYED") counts.replayed++;
  else counts.admitted++;
}

function newestOf(letters: readonly StoredLetter[], first: number): StoredLetter[] {
  return letters.toSorted((a, b) => b.arrival - a.arrival).slice(0, first);
}

/** A summary by reason, then the letters. */
export function listingText(name: string, { reasons, shown, matching }: Listing): string {
  if (reasons.size === 0) return `${name}: no dead letters.`;
  const counts = [...reasons.values()];
  const total = counts.reduce((sum, { open, replayed, admitted }) => sum + open + replayed + admitted, 0);
  const open = counts.reduce((sum, each) => sum + each.open, 0);
  const rest =
    matching > shown.length ? [`… and ${number(matching - shown.length)} older ones: --first`] : [];
  return [
    `${name}: ${number(total)} dead letters, ${number(open)} open`,
    ...reasonLines(reasons),
    ...shown.flatMap((letter) => ["", ...letterLines(letter)]),
    ...(rest.length > 0 ? ["", ...rest] : []),
  ].join("\n");
}

function reasonLines(reasons: Listing["reasons"]): string[] {
  const width = Math.max(...[...reasons.keys()].map(({ length }) => length));
  return [...reasons].map(([reason, { open, replayed, admitted }]) => {
    const done = [
      ...(replayed > 0 ? [`${number(replayed)} re-sent`] : []),
      ...(admitted > 0 ? [`${number(admitted)} admitted`] : []),
    ];
    return `  ${reason.padEnd(width)}  ${[`${number(open)} open`, ...done].join(", ")}`;
  });
}

const number = (value: number): string => value.toLocaleString("en");

function letterLines(letter: StoredLetter): string[] {
  const { arrival, shard, sequence, index, reason, detail, bytes, settled } = letter;
  const outcome = settled === null ? "open" : `${settled.outcome} ${formatInstant(settled.at)}`;
  return [
    `${formatInstant(arrival)}  ${reason}  ${outcome}  ${shard} ${plainSequence(sequence)}#${index}`,
    `  ${printable(detail)}`,
    `  ${shortened(bytes)}`,
  ];
}

const shownCharacters = 160;

/** On one line, and harmless to a terminal. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD");

/** The first bytes, as text. */
function shortened(bytes: Uint8Array): string {
  if (bytes.length === 0) return "(empty)";
  const start = Buffer.from(bytes.subarray(0, 4 * shownCharacters)).toString();
  const line = printable(start).slice(0, shownCharacters);
  const whole = bytes.length <= 4 * shownCharacters && start.length <= shownCharacters;
  return whole ? line : `${line} … (${number(bytes.length)} bytes)`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** One letter as a line of JSON: its bytes as text where they are UTF-8, otherwise as base64. */
export function letterJson({ settled, arrival, bytes, sequence, ...rest }: StoredLetter): string {
  const outcome = settled && { outcome: settled.outcome, settledAt: formatInstant(settled.at) };
  const position = { ...rest, sequence: plainSequence(sequence), arrival: formatInstant(arrival) };
  return JSON.stringify({ ...position, ...(outcome ?? { outcome: null }), ...contentOf(bytes) });
}

function contentOf(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: utf8.decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}
