/** How executions end other than with an answer, in words for the person who asked. */
import type { ExecutionDocument } from "../../model/ad-hoc-job.ts";
import { type ErrorCode, SluiceError } from "../../model/errors.ts";

export type Ending = Pick<ExecutionDocument, "state" | "error" | "reason"> &
  Partial<Pick<ExecutionDocument, "bytesScanned" | "progress" | "startedAt">>;

function ending(
  state: "FAILED" | "CANCELLED",
  code: ErrorCode,
  message: string,
  reason: string | null,
): Ending {
  return { state, error: { code, message }, reason: reason?.slice(0, longestReason) ?? null };
}

/** Characters of what Athena said that are kept. */
const longestReason = 2_000;

export function failed(reason: string | null): Ending {
  return ending(
    "FAILED",
    "AD_HOC_FAILED",
    "The warehouse could not run the statement. Ask again; if it fails again, the gateway's log has the reason.",
    reason,
  );
}

export function cancelled(reason: string | null): Ending {
  return ending(
    "CANCELLED",
    "AD_HOC_CANCELLED",
    "The statement was cancelled before its end: it was stopped, nobody waited for it, or it reached a limit of the workgroup. Ask again.",
    reason,
  );
}

export function timedOut(maxRunMs: number): Ending {
  return ending(
    "FAILED",
    "AD_HOC_TIMEOUT",
    `The statement did not end within ${maxRunMs / 1_000} s and was stopped. Ask for a shorter range or fewer fields.`,
    null,
  );
}

export function overBudget(estimate: number, left: number, bytesPerDay: number): Ending {
  return ending(
    "FAILED",
    "AD_HOC_BUDGET_EXCEEDED",
    `Ad-hoc fields may scan ${showBytes(bytesPerDay)} a day. These would scan about ${showBytes(estimate)}, and ${showBytes(left)} are left of today. Ask for a shorter range or fewer fields, or after midnight UTC, when the next day begins.`,
    null,
  );
}

/** Of what the warehouse's steps reject with. */
export function broken(error: unknown): Ending {
  if (!(error instanceof SluiceError)) return failed(String(error));
  const { code, message, cause } = error;
  return ending("FAILED", code, message, cause instanceof Error ? String(cause) : null);
}

export function errorOf({ error, reason }: Pick<ExecutionDocument, "error" | "reason">): SluiceError {
  const { code, message } = error ?? failed(null).error!;
  return new SluiceError(code, message, reason === null ? {} : { cause: new Error(reason) });
}

const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** 1.5 GB */
function showBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(1, bytes)) / 3), units.length - 1);
  return `${(bytes / 1_000 ** power).toLocaleString("en", { maximumSignificantDigits: 3 })} ${units[power]}`;
}
