/** Every place of a schema that takes text, by introspection: what a client could send a hostile text through. */
import { data, type Json } from "../e2e/client.ts";

interface TypeRef {
  readonly kind: string;
  readonly name: string | null;
  readonly ofType: TypeRef | null;
}

interface Input {
  readonly name: string;
  readonly type: TypeRef;
  readonly defaultValue: string | null;
}

interface Type {
  readonly kind: string;
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly args: readonly Input[] }[] | null;
  readonly inputFields: readonly Input[] | null;
  readonly enumValues: readonly { readonly name: string }[] | null;
}

export interface Schema {
  readonly types: ReadonlyMap<string, Type>;
  /** Names of the root types by operation. */
  readonly roots: Readonly<Record<"query" | "mutation" | "subscription", string | null>>;
}

export interface Slot {
  /** `StringFilter.eq`, `Query.product(name)`. */
  readonly id: string;
  /** The type that has the input field, or the field. */
  readonly type: string;
  readonly field: string;
  /** The argument; null of an input field. */
  readonly argument: string | null;
  /** How a variable for it is declared: `String!`, `[String!]`. */
  readonly declared: string;
}

const introspection = `{ __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { kind name enumValues { name } inputFields { ...input } fields { name args { ...input } } }
} }
fragment input on __InputValue { name defaultValue type { ...ref } }
fragment ref on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

export async function readSchema(url: string): Promise<Schema> {
  const { __schema: schema } = await data(url, introspection);
  const nameOf = (root: Json): string | null => root?.name ?? null;
  return {
    types: new Map((schema.types as Type[]).map((type) => [type.name, type])),
    roots: {
      query: nameOf(schema.queryType),
      mutation: nameOf(schema.mutationType),
      subscription: nameOf(schema.subscriptionType),
    },
  };
}

/** Scalars that are read from texts. */
const textScalars = new Set(["String", "ID", "Cursor", "DateTime", "Duration"]);

export function textSlots({ types }: Schema): Slot[] {
  return [...types.values()]
    .filter(({ name }) => !name.startsWith("__"))
    .flatMap(({ name: type, fields, inputFields }) => [
      ...(inputFields ?? []).filter(takesText).map((input): Slot => {
        const { name: field } = input;
        return { id: `${type}.${field}`, type, field, argument: null, declared: written(input.type) };
      }),
      ...(fields ?? []).flatMap(({ name: field, args }) =>
        args.filter(takesText).map((input): Slot => {
          const id = `${type}.${field}(${input.name})`;
          return { id, type, field, argument: input.name, declared: written(input.type) };
        }),
      ),
    ]);
}

function takesText({ type }: Input): boolean {
  return textScalars.has(named(type));
}

function named(type: TypeRef): string {
  return type.name ?? named(type.ofType!);
}

function written({ kind, name, ofType }: TypeRef): string {
  if (kind === "NON_NULL") return `${written(ofType!)}!`;
  return kind === "LIST" ? `[${written(ofType!)}]` : name!;
}

/** A call of a field with `$variable` as one argument, and something that fits as whatever else it requires. */
export function callOf({ types }: Schema, slot: Slot, variable: string): string {
  const { args } = types.get(slot.type)!.fields!.find(({ name }) => name === slot.field)!;
  const given = args.flatMap(({ name, type, defaultValue }) => {
    if (name === slot.argument) return [`${name}: $${variable}`];
    return type.kind === "NON_NULL" && defaultValue === null ? [`${name}: ${fitting(types, type)}`] : [];
  });
  return `${slot.field}(${given.join(", ")}) { __typename }`;
}

function fitting(types: Schema["types"], type: TypeRef): string {
  if (type.kind === "NON_NULL") return fitting(types, type.ofType!);
  if (type.kind === "LIST") return `[${fitting(types, type.ofType!)}]`;
  const { enumValues, inputFields } = types.get(type.name!)!;
  if (enumValues !== null) return enumValues[0]!.name;
  if (inputFields === null) return type.name === "Boolean" ? "true" : "1";
  const required = inputFields.filter(
    (input) => input.type.kind === "NON_NULL" && input.defaultValue === null,
  );
  return `{ ${required.map((input) => `${input.name}: ${fitting(types, input.type)}`).join(", ")} }`;
}
