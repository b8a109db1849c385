/** What a process has to say in the document of an execution. Pure functions. */
import { type ExecutionDocument, isOver, isWanted } from "../../model/ad-hoc-job.ts";
import type { Instant } from "../../model/time.ts";
import { cancelled } from "./endings.ts";

/** Where a process stands towards an execution. */
export interface Stance {
  /** The name of the process. */
  readonly process: string;
  /** Somebody waits for it there. */
  readonly waits: boolean;
  /** The process leaves for good. */
  readonly leaves: boolean;
  readonly now: Instant;
  readonly leaseMs: number;
}

/** Something is not said yet, soon no longer counts, or is for anybody to do. */
export function hasToSay(document: ExecutionDocument, stance: Stance): boolean {
  if (isOver(document)) return false;
  const { process, waits, leaves, now, leaseMs } = stance;
  const { owner, ownerUntil, interest } = document;
  const soon = now + (2 / 3) * leaseMs;
  const said = interest[process] ?? null;
  if (leaves || (waits ? said === null || said < soon : said !== null)) return true;
  if (owner === process ? ownerUntil < soon : ownerUntil <= now) return true;
  return !isWanted(document, now);
}

/** With all said: what nobody drives any more is this process's to drive, and what nobody wants is CANCELLED. */
export function saying(document: ExecutionDocument, stance: Stance): ExecutionDocument {
  if (isOver(document)) return document;
  const { process, waits, leaves, now, leaseMs } = stance;
  const until = now + leaseMs;
  const { [process]: _own, ...others } = document.interest;
  const valid = Object.entries(others).filter(([, ends]) => ends > now);
  const interest = { ...Object.fromEntries(valid), ...(waits && { [process]: until }) };
  const isFree = document.owner === process || document.ownerUntil <= now;
  const owned = isFree ? { owner: process, ownerUntil: leaves ? now : until } : {};
  const next = { ...document, ...owned, interest };
  return isWanted(next, now) ? next : { ...next, ...cancelled("nobody waits for it") };
}
