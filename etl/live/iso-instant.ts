/** ISO 8601 text as an instant, by arithmetic: Date.parse takes longer than all other columns of an event together. */
import { dayMs, type Instant, isInstant } from "../../src/model/time.ts";

const isoPattern =
  /^\d{4}-\d\d-\d\d(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

const [dateLength, minuteLength, secondLength] = [10, 16, 19];
const [dash, colon, dot, space, upperT, upperZ] = [0x2d, 0x3a, 0x2e, 0x20, 0x54, 0x5a];

/**
 * A date, or a date and a time down to the millisecond, which mean UTC unless there is an offset. Null for anything
 * else, for days that no calendar has and beyond the years 1 to 9999.
 */
export function isoInstant(text: string): Instant | null {
  const date = dateAt(text);
  if (Number.isNaN(date)) return null;
  if (text.length === dateLength) return checked(date);
  const common = date + timeAt(text);
  return Number.isNaN(common) ? uncommon(text) : checked(common);
}

/** The length of the form with milliseconds and Z: 2001-06-28T00:00:00.000Z. */
export const isoLength = 24;

/** The instant in ASCII bytes of that form; null where they have another. */
export function instantIn(bytes: Uint8Array, at: number): Instant | null {
  if (!hasForm(bytes, at)) return null;
  const year = pairIn(bytes, at) * 100 + pairIn(bytes, at + 2);
  const month = pairIn(bytes, at + 5);
  const day = pairIn(bytes, at + 8);
  const hours = pairIn(bytes, at + 11);
  const minutes = pairIn(bytes, at + 14);
  const seconds = pairIn(bytes, at + 17);
  const fraction = pairIn(bytes, at + 20) * 10 + digitOf(bytes[at + 22]);
  // NaN compares as false
  const isTime = hours <= 23 && minutes <= 59 && seconds <= 59 && fraction >= 0;
  if (!isTime || !isDay(year, month, day)) return null;
  const minute = (daysBefore(year, month, day) * 24 + hours) * 60 + minutes;
  return checked((minute * 60 + seconds) * 1_000 + fraction);
}

function hasForm(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at + 4] === dash &&
    bytes[at + 7] === dash &&
    bytes[at + 10] === upperT &&
    bytes[at + 13] === colon &&
    bytes[at + 16] === colon &&
    bytes[at + 19] === dot &&
    bytes[at + 23] === upperZ
  );
}

function pairIn(bytes: Uint8Array, at: number): number {
  return digitOf(bytes[at]) * 10 + digitOf(bytes[at + 1]);
}

function digitOf(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : Number.NaN;
}

function isDay(year: number, month: number, day: number): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month);
}

function checked(at: Instant): Instant | null {
  return isInstant(at) ? at : null;
}

/** The start of the day that a text begins with, NaN where it begins with none. */
function dateAt(text: string): number {
  if (text.length < dateLength || text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash)
    return Number.NaN;
  const year = digits(text, 0) * 100 + digits(text, 2);
  const month = digits(text, 5);
  const day = digits(text, 8);
  return isDay(year, month, day) ? daysBefore(year, month, day) * dayMs : Number.NaN;
}

/** HH:MM, HH:MM:SS or HH:MM:SS.mmm after the date, then nothing or Z: milliseconds, or NaN for any other form. */
function timeAt(text: string): number {
  const separator = text.charCodeAt(dateLength);
  if (separator !== upperT && separator !== space) return Number.NaN;
  const end = text.charCodeAt(text.length - 1) === upperZ ? text.length - 1 : text.length;
  if (end < minuteLength || text.charCodeAt(13) !== colon) return Number.NaN;
  const hours = digits(text, 11);
  const minutes = digits(text, 14);
  const seconds = end === minuteLength ? 0 : secondsAt(text, end);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (hours * 60 + minutes) * 60_000 + seconds;
}

function secondsAt(text: string, end: number): number {
  if (end < secondLength || text.charCodeAt(minuteLength) !== colon) return Number.NaN;
  const seconds = digits(text, minuteLength + 1);
  if (!(seconds <= 59)) return Number.NaN;
  if (end === secondLength) return seconds * 1_000;
  if (end !== secondLength + 4 || text.charCodeAt(secondLength) !== dot) return Number.NaN;
  return seconds * 1_000 + digits(text, secondLength + 1) * 10 + digit(text, secondLength + 3);
}

/** Offsets, other fractions of a second, lower case. */
function uncommon(text: string): Instant | null {
  const match = isoPattern.exec(text);
  if (match === null) return null;
  const withT = text.replace(" ", "T");
  // without an offset the platform would read local time
  return checked(Date.parse(match[1] === undefined ? `${withT}Z` : withT));
}

function digits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

function digit(text: string, at: number): number {
  return digitOf(text.charCodeAt(at));
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysOf(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : monthDays[month - 1]!;
}

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/** Days from 1970-01-01 to a day, by years that begin in March, so that the leap day is the last one. */
function daysBefore(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return 365 * marchYear + leapDays + dayOfYear - daysToEpoch;
}

const daysToEpoch = 719_468; // from 0000-03-01 to 1970-01-01
