/** A feed's cursor: the position of every shard, opaque to clients and signed, so that it need not be stored. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { UserInputError } from "../model/errors.ts";
import type { Positions } from "../model/position.ts";

export interface Cursor {
  readonly stream: string;
  /** The entry of the broadcast that the page is of: while it is retained, so is all that followed. */
  readonly at: string;
  /** The last event sent, left out by the filter or from before the feed, of every shard. */
  readonly positions: Readonly<Positions>;
}

export interface Cursors {
  sign(cursor: Cursor): string;
  /** Throws `UserInputError` for text that `sign` did not make, or made for another stream. */
  verify(text: string, stream: string): Cursor;
}

/** HMAC-SHA256 over the payload. */
export function signedCursors(secret: string): Cursors {
  const signature = (payload: string) => createHmac("sha256", secret).update(payload).digest();
  return {
    sign: ({ stream, at, positions }) => {
      const payload = Buffer.from(JSON.stringify({ stream, at, positions })).toString("base64url");
      return `${payload}.${signature(payload).toString("base64url")}`;
    },
    verify: (text, stream) => {
      const [payload = "", given = "", ...rest] = text.split(".");
      const expected = signature(payload);
      const actual = Buffer.from(given, "base64url");
      if (rest.length > 0 || actual.length !== expected.length || !timingSafeEqual(actual, expected))
        throw foreign("Got one that this gateway did not make, or that was changed.");
      const cursor = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Cursor;
      if (cursor.stream !== stream) throw foreign("Got the cursor of another feed.");
      return cursor;
    },
  };
}

function foreign(arrived: string): UserInputError {
  return new UserInputError(
    `A feed goes on after the cursor of one of its own pages, unchanged. ${arrived} Leave after out to start from now.`,
  );
}
