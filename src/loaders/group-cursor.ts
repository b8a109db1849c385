/** A cursor of grouped questions: where in which edition's groups it stands, of which question it is. */
import { createHash } from "node:crypto";
import { isEditionId } from "../model/control.ts";
import { UserInputError } from "../model/errors.ts";
import type { Scope } from "../model/scope.ts";
import { type Instant, isInstant } from "../model/time.ts";
import type { GroupsQuestion } from "../schema/context.ts";

export interface GroupCursor {
  readonly edition: string;
  /** The range as it was resolved for the first page. */
  readonly from: Instant;
  readonly to: Instant;
  /** Groups before it. */
  readonly offset: number;
}

/** Opaque to clients; it gives access to nothing that the question itself does not. */
export function writeCursor(
  { edition, from, to, offset }: GroupCursor,
  question: GroupsQuestion,
  scope: Scope,
): string {
  const payload = [edition, from, to, offset, digestOf(question, scope)];
  return Buffer.from(JSON.stringify(payload)).toString("base64url");
}

/** Throws `UserInputError` for what `writeCursor` did not write, or wrote for another question or tenant. */
export function readCursor(text: string, question: GroupsQuestion, scope: Scope): GroupCursor {
  const [edition, from, to, offset, digest] = payloadOf(text);
  const isWhole =
    isEditionId(edition) &&
    isInstant(from) &&
    isInstant(to) &&
    Number.isSafeInteger(offset) &&
    Number(offset) >= 0;
  if (!isWhole) throw foreign("one that no page had");
  if (digest !== digestOf(question, scope)) throw foreign("that of another question");
  return { edition, from, to, offset: Number(offset) };
}

function payloadOf(text: string): readonly unknown[] {
  try {
    const payload: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(payload) ? payload : [];
  } catch {
    return [];
  }
}

function digestOf({ product, where, range, dimensions, order }: GroupsQuestion, { tenant }: Scope): string {
  const asked = [product.name, where, range ?? null, dimensions, order, tenant];
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64url").slice(0, 22);
}

function foreign(arrived: string): UserInputError {
  return new UserInputError(
    `A page goes on after a cursor of the same question: its dimensions, where, range and orderBy as they were. Got ${arrived}. Leave after out to start from the first page.`,
  );
}
