/**
 * type-graphql's decorators as functions. Types and resolvers that follow from a declaration do not exist before it is
 * loaded, so nobody can write their decorators down.
 */
import "reflect-metadata";
import type { GraphQLResolveInfo } from "graphql";
import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  Info,
  InputType,
  Query,
  Resolver,
  Root,
  Subscription,
} from "type-graphql";
import type { Class } from "../model/source.ts";
import type { SluiceContext } from "./context.ts";

/** What a GraphQL element is: its type (a thunk, `[type]` for a list) and its contract. */
export interface Described {
  readonly type: () => object;
  readonly description: string;
  readonly nullable?: boolean;
}

export interface Argument extends Described {
  readonly name: string;
  readonly defaultValue?: unknown;
}

export interface FieldSpec<Root> extends Described {
  readonly name: string;
  readonly args?: readonly Argument[];
  readonly resolve: Resolve<Root>;
}

export interface SubscriptionSpec<Payload> extends FieldSpec<Payload> {
  readonly subscribe: (
    args: Arguments,
    context: SluiceContext,
    info: GraphQLResolveInfo,
  ) => AsyncIterable<Payload>;
}

/** Arguments by name. The caller knows their types: it declared them. */
export type Arguments = Readonly<Record<string, unknown>>;

export type Resolve<Root> = (
  root: Root,
  args: Arguments,
  context: SluiceContext,
  info: GraphQLResolveInfo,
) => unknown;

/** An empty input type, to be filled by `inputField`. */
export function newInput(name: string, description: string): Class {
  const input = class {};
  InputType(name, { description })(input);
  return input;
}

export function inputField(input: Class, name: string, spec: Described): void {
  Field(spec.type, { nullable: spec.nullable ?? false, description: spec.description })(
    input.prototype as object,
    name,
  );
}

/** A class that resolves fields of `type`, to be filled by the functions below. */
export function newResolver(type: Class): Class {
  const resolver = class {};
  Resolver(() => type)(resolver);
  return resolver;
}

export function query(resolver: Class, spec: FieldSpec<unknown>): void {
  const descriptor = method(resolver, spec);
  Query(spec.type, options(spec))(resolver.prototype as object, spec.name, descriptor);
}

/** A field of the resolver's type, declared here. */
export function field<Root>(resolver: Class, spec: FieldSpec<Root>): void {
  const descriptor = method(resolver, spec);
  FieldResolver(spec.type, options(spec))(resolver.prototype as object, spec.name, descriptor);
}

/** The resolver of a field that the type's own class declares. */
export function resolverOf<Root>(resolver: Class, name: string, resolve: Resolve<Root>): void {
  const descriptor = method(resolver, { name, resolve });
  FieldResolver()(resolver.prototype as object, name, descriptor);
}

export function subscription<Payload>(resolver: Class, spec: SubscriptionSpec<Payload>): void {
  const descriptor = method(resolver, spec);
  Subscription(spec.type, {
    ...options(spec),
    subscribe: ({ args, context, info }) => spec.subscribe(args as Arguments, context as SluiceContext, info),
  })(resolver.prototype as object, spec.name, descriptor);
}

function options(spec: Described & { readonly name: string }) {
  return { name: spec.name, nullable: spec.nullable ?? false, description: spec.description };
}

/** Adds the method that type-graphql calls: root, context and info first, then one parameter per argument. */
function method<Root>(
  resolver: Class,
  spec: Pick<FieldSpec<Root>, "name" | "args" | "resolve">,
): PropertyDescriptor {
  const prototype = resolver.prototype as object;
  const args = spec.args ?? [];
  Object.defineProperty(prototype, spec.name, {
    configurable: true,
    value: (root: Root, context: SluiceContext, info: GraphQLResolveInfo, ...values: unknown[]) =>
      spec.resolve(root, Object.fromEntries(args.map(({ name }, i) => [name, values[i]])), context, info),
  });
  Root()(prototype, spec.name, 0);
  Ctx()(prototype, spec.name, 1);
  Info()(prototype, spec.name, 2);
  args.forEach((argument, i) => argumentAt(prototype, spec.name, argument, i + 3));
  return Object.getOwnPropertyDescriptor(prototype, spec.name)!;
}

function argumentAt(prototype: object, methodName: string, argument: Argument, position: number): void {
  Arg(argument.name, argument.type, {
    nullable: argument.nullable ?? false,
    description: argument.description,
    ...(argument.defaultValue === undefined ? {} : { defaultValue: argument.defaultValue }),
  })(prototype, methodName, position);
}
