/** A GraphQL client as a customer would write it: fetch for questions, graphql-ws for subscriptions. */
import { type Client, createClient, type ExecutionResult } from "graphql-ws";
import { WebSocket } from "ws";

// answers are held against expectations, not against types
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly data: Json;
  readonly errors?: readonly { message: string; path?: (string | number)[]; extensions: { code: string } }[];
  readonly extensions: Json;
}

export async function ask(url: string, query: string, variables?: object): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as Omit<Answer, "status">) };
}

/** The data of an answer that has no errors. */
export async function data(url: string, query: string, variables?: object): Promise<Json> {
  const answer = await ask(url, query, variables);
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return answer.data;
}

export function socket(url: string): Client {
  return createClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket, retryAttempts: 0 });
}

export interface Following {
  readonly messages: ExecutionResult<Json>[];
  /** Resolves when `reached` holds of the messages so far. */
  until(reached: (messages: readonly ExecutionResult<Json>[]) => boolean, what: string): Promise<void>;
  stop(): void;
}

/** Subscribes and collects. */
export function follow(
  client: Client,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Following {
  const messages: ExecutionResult<Json>[] = [];
  const waiting = new Set<() => void>();
  let failure: unknown = null;
  const wake = (): void => waiting.forEach((check) => check());
  const stop = client.subscribe<Json>(
    { query, variables },
    {
      next: (message) => (messages.push(message as ExecutionResult<Json>), wake()),
      error: (error) => ((failure = error), wake()),
      complete: wake,
    },
  );
  const until = (reached: (messages: readonly ExecutionResult<Json>[]) => boolean, what: string) =>
    new Promise<void>((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        waiting.delete(check);
        end();
      };
      const check = (): void => {
        if (failure !== null) settle(() => reject(new Error(`${what}: ${JSON.stringify(failure)}`)));
        else if (reached(messages)) settle(resolve);
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${what} did not come; got ${JSON.stringify(messages.at(-1))}`))),
        120_000,
      );
      waiting.add(check);
      check();
    });
  return { messages, until, stop };
}
