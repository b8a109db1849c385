/** Errors as the command line tells them: operators see the causes, which clients of the gateway do not. */

/** The message, and a line for each cause that it does not quote already. */
export function explained(error: unknown): string {
  const lines: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { name, message } = cause;
    if (lines.length === 0) lines.push(message || name);
    else if (!lines.some((line) => line.includes(message))) lines.push(`  because: ${name}: ${message}`);
  }
  return lines.length === 0 ? String(error) : lines.join("\n");
}
