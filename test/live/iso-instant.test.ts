/** Times by arithmetic against the platform's: what text is an instant, and which. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isoInstant } from "../../etl/live/iso-instant.ts";

const isoPattern =
  /^\d{4}-\d\d-(\d\d)(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i;
const [earliest, latest] = [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59.999Z")];

/** The definition: the form, then Date.parse in UTC, then whether the day of the month is still the one that was written. */
function defined(text: string): number | null {
  const match = isoPattern.exec(text);
  if (match === null) return null;
  const withT = text.replace(" ", "T");
  const at = Date.parse(text.length === 10 || match[2] !== undefined ? withT : `${withT}Z`);
  const rolled = new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(match[1]);
  return !rolled && at >= earliest && at <= latest ? at : null;
}

const padded = (max: number, length: number) =>
  fc.integer({ min: 0, max }).map((n) => String(n).padStart(length, "0"));
const oneOf = (...texts: string[]) => fc.constantFrom(...texts);

const year = fc.oneof(
  padded(9_999, 4),
  oneOf("0000", "0001", "0004", "0099", "0100", "0400", "1900", "1970", "2000", "2024", "9999"),
);
const month = fc.oneof(padded(13, 2), oneOf("02", "12"));
const day = fc.oneof(padded(32, 2), oneOf("28", "29", "30", "31"));
const time = fc.oneof(
  fc.tuple(padded(24, 2), padded(60, 2)).map((parts) => parts.join(":")),
  fc.tuple(padded(23, 2), padded(59, 2), padded(60, 2)).map((parts) => parts.join(":")),
);
const fraction = fc.oneof(
  fc.constant(""),
  padded(999, 3).map((digits) => `.${digits}`),
  fc.stringMatching(/^[0-9]{1,10}$/).map((digits) => `.${digits}`),
);
const zone = fc.oneof(
  oneOf("", "Z", "z", "+00:00", "-00:00", "+0530", "+14:00", "-23:59", "+24:00", "+99:99", "+01", "ZZ"),
  fc.tuple(oneOf("+", "-"), padded(23, 2), oneOf(":", ""), padded(59, 2)).map((parts) => parts.join("")),
);
const dated = fc.tuple(year, month, day).map((parts) => parts.join("-"));
const instant = fc
  .tuple(dated, oneOf("T", "T", " ", "t", "", "_"), time, fraction, zone)
  .map((parts) => parts.join(""));
/** One character of a good text replaced or left out. */
const damaged = fc
  .tuple(instant, fc.nat({ max: 30 }), fc.oneof(oneOf("", "-", ":", ".", "٣", "/", " "), fc.string()))
  .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1));

describe("text is the instant that the platform reads", () => {
  it.each([
    ["dates", dated],
    ["dates with a time", instant],
    ["texts with a flaw", damaged],
    ["any texts", fc.string()],
  ])("of %s", (_, texts) => {
    const check = fc.property(texts, (text) => {
      expect([text, isoInstant(text)]).toEqual([text, defined(text)]);
    });
    fc.assert(check, { seed: 20_010_628, numRuns: 20_000 });
  });

  it("every day from the year 1 to 9999", () => {
    const wrong: string[] = [];
    let days = 0;
    for (let at = earliest; at <= latest; at += 86_400_000, days++) {
      const text = new Date(at).toISOString();
      if (isoInstant(text) !== at || isoInstant(text.slice(0, 10)) !== at) wrong.push(text);
    }
    expect(wrong).toEqual([]);
    expect(days).toBe(3_652_059);
  });

  it("of a form that is read at all", () => {
    expect(isoInstant("2024-02-29T23:59:59.999Z")).toBe(Date.UTC(2024, 1, 29, 23, 59, 59, 999));
    expect(isoInstant("2023-02-29")).toBeNull();
  });
});
