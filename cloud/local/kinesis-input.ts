import { serialization, validation } from "./kinesis-errors.ts";

/** The members of a request, as they came out of JSON: nothing is checked yet. */
export type Input = Readonly<Record<string, unknown>>;

/** What a string member has to satisfy; the pattern is matched as a whole. */
export interface TextRule {
  readonly max?: number;
  readonly pattern?: RegExp;
  readonly oneOf?: readonly string[];
}

/** A string member; rejects `ValidationException` where it is absent or breaks its rule. */
export function text(input: Input, member: string, rule: TextRule = {}): string {
  return required(member, optionalText(input, member, rule));
}

export function optionalText(input: Input, member: string, rule: TextRule = {}): string | undefined {
  const value = input[member] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw wrongType(member, "a string", value);
  const { max = Number.POSITIVE_INFINITY, pattern, oneOf } = rule;
  if (value.length < 1) throw broken(member, value, "Member must have length greater than or equal to 1");
  if (value.length > max) throw broken(member, value, `Member must have length less than or equal to ${max}`);
  if (pattern !== undefined && pattern.exec(value)?.[0] !== value)
    throw broken(member, value, `Member must satisfy regular expression pattern: ${pattern.source}`);
  if (oneOf !== undefined && !oneOf.includes(value))
    throw broken(member, value, `Member must satisfy enum value set: [${oneOf.join(", ")}]`);
  return value;
}

/** An integer member; rejects `ValidationException` where it is absent or out of its bounds. */
export function integer(input: Input, member: string, min: number, max: number): number {
  return required(member, optionalInteger(input, member, min, max));
}

export function optionalInteger(input: Input, member: string, min: number, max: number): number | undefined {
  const value = input[member] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(member, "an integer", value);
  if (value < min) throw broken(member, value, `Member must have value greater than or equal to ${min}`);
  if (value > max) throw broken(member, value, `Member must have value less than or equal to ${max}`);
  return value;
}

/** A timestamp member (seconds since 1970 with a fraction) in milliseconds. */
export function optionalTime(input: Input, member: string): number | undefined {
  const value = input[member] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "number") throw wrongType(member, "a timestamp in seconds", value);
  return Math.round(value * 1_000);
}

/** A structure member, or undefined where it is absent. */
export function optionalStructure(input: Input, member: string): Input | undefined {
  const value = input[member] ?? undefined;
  return value === undefined ? undefined : structure(value, member);
}

/** A list of structures within its bounds. */
export function structures(input: Input, member: string, min: number, max: number): readonly Input[] {
  const value: unknown = required(member, input[member] ?? undefined);
  if (!Array.isArray(value)) throw wrongType(member, "a list", value);
  if (value.length < min)
    throw broken(member, value.length, `Member must have length greater than or equal to ${min}`);
  if (value.length > max)
    throw broken(member, value.length, `Member must have length less than or equal to ${max}`);
  return value.map((item) => structure(item, member));
}

/** A value as a structure; rejects `SerializationException` where it is anything else. */
export function structure(value: unknown, member: string): Input {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrongType(member, "a structure", value);
  return value as Input;
}

/** The bytes that a blob member stands for; the text itself is passed on as it is. */
export function blob(input: Input, member: string, maxBytes: number): { base64: string; bytes: number } {
  const base64: unknown = required(member, input[member] ?? undefined);
  if (typeof base64 !== "string") throw wrongType(member, "a base64 string", base64);
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw serialization(`'${member}' can not be converted to a Blob: it is not padded base64`);
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const bytes = (base64.length / 4) * 3 - padding;
  if (bytes > maxBytes)
    throw broken(member, `${bytes} bytes`, `Member must have length less than or equal to ${maxBytes}`);
  return { base64, bytes };
}

function required<T>(member: string, value: T | undefined): T {
  if (value === undefined) throw broken(member, "null", "Member must not be null");
  return value;
}

function broken(member: string, value: string | number, rule: string) {
  const path = `${member.charAt(0).toLowerCase()}${member.slice(1)}`;
  const shown = String(value).slice(0, 300);
  return validation(
    `1 validation error detected: Value '${shown}' at '${path}' failed to satisfy constraint: ${rule}`,
  );
}

function wrongType(member: string, wanted: string, value: unknown) {
  const arrived = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  return serialization(`${member} must be ${wanted}, but ${arrived} arrived`);
}
