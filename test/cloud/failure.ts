import { expect } from "vitest";

/** What a request is refused with; fails the test when it is not refused. */
export function failure(sent: Promise<unknown>): Promise<unknown> {
  return sent.then(
    () => expect.fail("must be refused"),
    (error: unknown) => error,
  );
}
