/** Which stored segments hold the buckets of a piece, as a page has it. */
import type { SegmentPage } from "../model/control.ts";
import type { Piece } from "../sql/plan.ts";

/** The buckets `first <= index < end` of one stored segment. */
export interface SegmentPart extends Piece {
  readonly edition: string;
}

/**
 * The segments of a piece, in time order, each bucket in one of them. A day with an entry of its own is read from there,
 * whatever the month's segment holds of it.
 */
export function segmentParts(page: SegmentPage, piece: Piece): SegmentPart[] {
  const editions = page[piece.grain] ?? {};
  if (piece.grain === "DAY") return daysOverMonth(editions, piece);
  const edition = editions[piece.period];
  return edition === undefined ? [] : [{ ...piece, edition }];
}

function daysOverMonth(editions: Readonly<Record<string, string>>, piece: Piece): SegmentPart[] {
  const parts: SegmentPart[] = [];
  for (let index = piece.first; index < piece.end; index++) {
    const day = `${piece.period}-${String(index + 1).padStart(2, "0")}`;
    const period = day in editions ? day : piece.period;
    const edition = editions[period];
    if (edition === undefined) continue;
    const before = parts.at(-1);
    if (before?.period === period) parts[parts.length - 1] = { ...before, end: index + 1 };
    else parts.push({ grain: piece.grain, period, edition, first: index, end: index + 1 });
  }
  return parts;
}
