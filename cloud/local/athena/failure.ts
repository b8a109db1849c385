/**
 * Why a statement ends in state FAILED. The message is what `StateChangeReason` shows: an error name of Trino,
 * then the rule, what arrived and the way out.
 */
export class StatementFailed extends Error {
  /** `2` is the user's fault, `1` the system's, as in `AthenaError.ErrorCategory`. */
  readonly category: 1 | 2;

  constructor(message: string, category: 1 | 2 = 2, options?: ErrorOptions) {
    super(message, options);
    this.name = "StatementFailed";
    this.category = category;
  }
}

/** What Athena would run and this engine would not: never answered with a guess. */
export function unsupported(what: string, wayOut = ""): StatementFailed {
  const hint = wayOut === "" ? "" : `. ${wayOut}`;
  return new StatementFailed(`NOT_SUPPORTED: not supported by the embedded Athena: ${what}${hint}`);
}
