/**
 * The Athena fallback's documents: which execution answers a question, how an execution stands, who holds a slot, what a
 * tenant has used of its budget. Each is changed by compare-and-swap, and expires when nobody can want it any more.
 */
import type { ErrorCode } from "./errors.ts";
import type { ItemKey } from "./layout.ts";
import type { Scope } from "./scope.ts";
import { dayMs, formatInstant, type Instant } from "./time.ts";

export type AdHocState = "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

/** One Athena execution that ad-hoc fields of a tenant's requests wait for, as its askers see it. */
export interface AdHocJob {
  readonly id: string;
  readonly state: AdHocState;
  /** 0 to 1; null where it is not known. */
  readonly progress: number | null;
  /** Null until Athena tells. */
  readonly bytesScanned: number | null;
  readonly submittedAt: Instant;
  /** Why it FAILED or was CANCELLED. */
  readonly error: ErrorCode | null;
}

/** Which execution answers a question over the data as it was when the question got its id. */
export interface QuestionDocument {
  readonly execution: string;
  /** Rises with every claim: after a failure, a cancel, a crash. */
  readonly attempt: number;
  readonly claimedAt: Instant;
}

/** One statement on its way. Its id is its token at Athena: however often it is started, it is one execution. */
export interface ExecutionDocument {
  readonly tenant: string;
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly database: string;
  /** How to read its result; whoever wrote the statement knows. */
  readonly layout: unknown;
  /** Ids of its questions, in the order of their numbers from 1. */
  readonly questions: readonly string[];
  readonly state: AdHocState;
  /** Athena's id; null until Athena has named it. */
  readonly queryId: string | null;
  /** The process that drives it, and until when it may take its time to say so again. */
  readonly owner: string;
  readonly ownerUntil: Instant;
  /** Processes in which somebody waits, each until when it has said so. */
  readonly interest: Readonly<Record<string, Instant>>;
  /** Until when it runs on though nobody waits. */
  readonly pendingUntil: Instant | null;
  readonly submittedAt: Instant;
  /** From then on Athena may know of it; null: it certainly does not. */
  readonly startedAt: Instant | null;
  /** Bytes that it was thought to scan. They are set aside in the budget of the day it was submitted on. */
  readonly estimate: number;
  readonly bytesScanned: number | null;
  readonly progress: number | null;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  /** What Athena said of its end: for logs, since it may quote the statement. */
  readonly reason: string | null;
}

/** Executions that may be at Athena now, of all tenants and gateways. */
export interface SlotsDocument {
  readonly holders: Readonly<Record<string, SlotHolder>>;
  /** Processes that found no room. */
  readonly waiting: Readonly<Record<string, SlotWaiter>>;
}

export interface SlotWaiter {
  readonly since: Instant;
  /** When it has not said so again until then, it no longer waits. */
  readonly until: Instant;
}

export interface SlotHolder {
  readonly tenant: string;
  /** When nobody has renewed it until then, its execution is to be looked after. */
  readonly until: Instant;
}

/** What a tenant has used of one UTC day. */
export interface BudgetDocument {
  readonly spent: number;
  /** By execution the bytes set aside for it. */
  readonly reserved: Readonly<Record<string, number>>;
}

export type Tenancy = Pick<Scope, "tenant">;

const escaped = ({ tenant }: Tenancy): string => encodeURIComponent(tenant);

export const questionKey = (scope: Tenancy, question: string): ItemKey => ({
  pk: `question#${escaped(scope)}#${question}`,
  sk: "claim",
});

export const executionKey = (scope: Tenancy, id: string): ItemKey => ({
  pk: `execution#${escaped(scope)}#${id}`,
  sk: "state",
});

export const budgetKey = (scope: Tenancy, day: string): ItemKey => ({
  pk: `budget#${escaped(scope)}`,
  sk: day,
});

/** The one document of all tenants: it holds ids only. */
export const slotsKey: ItemKey = { pk: "slots", sk: "holders" };

/** 2001-06-27 */
export const budgetDay = (at: Instant): string => formatInstant(at).slice(0, 10);

/** Athena keeps its history, and with it what a result can be read by, for 45 days. */
export const expiryOf = (at: Instant): Instant => at + 45 * dayMs;

export function isOver({ state }: Pick<ExecutionDocument, "state">): boolean {
  return state !== "QUEUED" && state !== "RUNNING";
}

/** Somebody waits for it, in whatever process, or a pending lease holds it. */
export function isWanted(
  { interest, pendingUntil }: Pick<ExecutionDocument, "interest" | "pendingUntil">,
  now: Instant,
): boolean {
  return (
    (pendingUntil !== null && pendingUntil > now) || Object.values(interest).some((until) => until > now)
  );
}

export function jobOf(id: string, document: ExecutionDocument): AdHocJob {
  const { state, progress, bytesScanned, submittedAt, error } = document;
  return { id, state, progress, bytesScanned, submittedAt, error: error?.code ?? null };
}
