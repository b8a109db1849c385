/** `sluice explain`: the plan of a query without running it. */
import { execute, type GraphQLError, OperationTypeNode } from "graphql";
import { explainingSession } from "../../src/loaders/explain.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { SluiceError, UserInputError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import type { SluiceContext } from "../../src/schema/context.ts";
import { admissionGate } from "../../src/server/admission.ts";
import { type Backends, backends } from "../backends.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { type ExplainedQuery, explanationText } from "../explanation-text.ts";
import { explained as told } from "../failure.ts";
import { loadProducts } from "../load-products.ts";

export interface ExplainFlags {
  readonly variables?: string;
  readonly json?: boolean;
}

/** Prints the plan; exits with 1 when a field has none. Rejects `BAD_USER_INPUT` as the gateway would. */
export async function runExplain(
  environment: Environment,
  query: string,
  flags: ExplainFlags,
): Promise<void> {
  const variables = variablesOf(flags.variables);
  const products = await loadProducts(environment.products);
  const clients = connect(environment);
  const stores = backends(clients);
  try {
    const plan = await explainQuery(products, stores, query, variables);
    console.log(flags.json ? JSON.stringify(plan, null, 2) : explanationText(plan));
    if (plan.errors.length > 0) process.exitCode = 1;
  } finally {
    closeClients(clients);
    await stores.gold.close();
  }
}

function variablesOf(text: string | undefined): unknown {
  try {
    return text === undefined ? {} : JSON.parse(text);
  } catch (cause) {
    throw new UserInputError(
      `--variables is a JSON object. Got ${text}: ${(cause as Error).message}. Use for example '{ "first": 10 }'.`,
    );
  }
}

export async function explainQuery(
  products: readonly Product[],
  stores: Pick<Backends, "insights" | "control">,
  query: string,
  variables: unknown,
): Promise<ExplainedQuery> {
  const schema = buildSluiceSchema(products);
  // as a document for a socket, which may be any operation
  const admission = admissionGate(schema).admit({ query, variables }, "websocket");
  if ("refused" in admission) throw new UserInputError(admission.refused.map(refusal).join("\n"));
  const { document, operation } = admission;
  if (operation.operation !== OperationTypeNode.QUERY)
    throw new UserInputError(
      `A plan is made of a query. Got a ${operation.operation}. Ask for the same fields in a query.`,
    );
  const explaining = explainingSession(sharedOver(stores), analystScope);
  const { errors } = await execute({
    schema,
    document,
    variableValues: variables as Record<string, unknown>,
    contextValue: contextOver(explaining.session),
  });
  return { ...(await explaining.explanation()), errors: (errors ?? []).map(failureOf) };
}

function refusal({ message, locations }: GraphQLError): string {
  const [at] = locations ?? [];
  return at === undefined ? message : `${message} (line ${at.line}, column ${at.column})`;
}

function sharedOver({ insights, control }: Pick<Backends, "insights" | "control">) {
  const options = { control, clock: () => performance.now() };
  return {
    insights,
    control,
    manifests: new Manifests(options),
    liveStatus: new LiveStatus(options),
    leaderboards: new LeaderboardCache(),
  };
}

function contextOver(session: SluiceContext["session"]): SluiceContext {
  const noSubscriptions = (): never => {
    throw new TypeError("A query follows nothing.");
  };
  return {
    scope: analystScope,
    session,
    newSession: () => session,
    live: { insights: noSubscriptions, feed: noSubscriptions },
    now: Date.now,
  };
}

function failureOf(error: GraphQLError): ExplainedQuery["errors"][number] {
  const cause = error.originalError;
  return {
    path: (error.path ?? []).filter((key) => typeof key === "string").join("."),
    code: cause instanceof SluiceError ? cause.code : cause === undefined ? "BAD_USER_INPUT" : "INTERNAL",
    message: told(cause ?? error),
  };
}
