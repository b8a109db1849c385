/**
 * The one family of errors. Every error says the rule, what arrived and the way out, and carries a stable `code`
 * that reaches clients as `extensions.code`.
 */
export type ErrorCode =
  | "DECLARATION"
  | "BAD_USER_INPUT"
  | "NOT_LIVE"
  | "CURSOR_EXPIRED"
  | "SLOW_CONSUMER"
  | "AD_HOC_PENDING"
  | "AD_HOC_FAILED"
  | "AD_HOC_THROTTLED"
  | "AD_HOC_CANCELLED"
  | "AD_HOC_TIMEOUT"
  | "AD_HOC_BUDGET_EXCEEDED"
  | "AD_HOC_NOT_ALLOWED"
  | "FORBIDDEN"
  | "QUERY_TOO_COMPLEX"
  | "BACKEND_UNAVAILABLE"
  | "CONFLICT"
  | "REFRESH"
  | "INTERNAL";

export class SluiceError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A product or source is declared wrongly: thrown while the declaration is loaded, so at start. */
export class DeclarationError extends SluiceError {
  constructor(message: string) {
    super("DECLARATION", message);
  }
}

/** What a client sent cannot be answered; the message is shown to the client. */
export class UserInputError extends SluiceError {
  constructor(message: string) {
    super("BAD_USER_INPUT", message);
  }
}

/** The answer is still being computed. Whoever asks again in a while, or follows the job, gets it. */
export class AdHocPendingError extends SluiceError {
  readonly jobId: string;

  constructor(jobId: string) {
    super(
      "AD_HOC_PENDING",
      `Athena is still computing this field. Ask again in a while, or follow adHocJobUpdated(id: "${jobId}"): asking again picks up the finished answer.`,
    );
    this.jobId = jobId;
  }
}

/** A feed is cut where its client does not read it. */
export class SlowConsumerError extends SluiceError {
  /** Of the last page that was sent; null where none was. */
  readonly cursor: string | null;

  constructor(cursor: string | null) {
    super(
      "SLOW_CONSUMER",
      "A feed is sent as fast as it arrives. This client has not read it for too long. Read faster or ask for less; subscribe again with after: the cursor of the last page.",
    );
    this.cursor = cursor;
  }
}

/** What clients are told in place of messages that speak of the inside: no SQL, ARN or path leaves the process. */
export const clientSentences = {
  AD_HOC_FAILED: "Athena could not compute this field.",
  AD_HOC_THROTTLED: "Athena is busy. Ask again in a few seconds.",
  AD_HOC_CANCELLED: "Athena's computation of this field was cancelled. Ask again.",
  AD_HOC_TIMEOUT: "Athena took too long for this field. Ask for a shorter range.",
  AD_HOC_BUDGET_EXCEEDED:
    "What may be scanned a day is used up. Ask for a shorter range, or again tomorrow (UTC).",
  BACKEND_UNAVAILABLE: "A store is not reachable. Ask again in a few seconds.",
} as const satisfies Partial<Record<ErrorCode, string>>;

/** What would be wrong in a request is wrong in a declaration too: the same message as a `DeclarationError`. */
export function inDeclaration<T>(whose: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SluiceError) throw new DeclarationError(`${whose}: ${error.message}`);
    throw error;
  }
}

/** ` Did you mean "delay"?` for the candidate nearest to `wanted`, or the list of candidates when none is near. */
export function suggestion(wanted: string, candidates: readonly string[]): string {
  if (candidates.length === 0) return "";
  const ranked = candidates
    .map((candidate) => ({
      candidate,
      distance: editDistance(wanted.toLowerCase(), candidate.toLowerCase()),
    }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0]!;
  if (best.distance <= Math.max(2, Math.floor(wanted.length / 3)))
    return ` Did you mean "${best.candidate}"?`;
  return ` There are: ${candidates.join(", ")}.`;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
