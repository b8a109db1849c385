/** An option of the command line that names a time. */
import { SluiceError } from "../src/model/errors.ts";
import { formatInstant, type Instant, isInstant } from "../src/model/time.ts";

export function instantOf(name: string, text: string): Instant {
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
  const rolled = isInstant(at) && formatInstant(at).slice(0, 10) !== text.slice(0, 10);
  if (isInstant(at) && !rolled) return at;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `${name} is a day or an instant in UTC: 2001-06-27 or 2001-06-27T12:00:00Z. Got "${text}".`,
  );
}
