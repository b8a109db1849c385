/** /metrics and /health of a process that serves nothing else. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SluiceError } from "../src/model/errors.ts";
import type { PrometheusMetrics } from "./live-metrics.prometheus.ts";

export interface MetricsServerOptions {
  readonly metrics: PrometheusMetrics;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Asks the process to stop: /health says so with 503. */
  readonly signal: AbortSignal;
}

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Rejects when something else listens there. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port } = options;
  const server = createServer((request, response) => void answer(options, request.url ?? "", response));
  server.listen(port, host);
  await once(server, "listening").catch((cause: unknown) => {
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `The metrics cannot be served on ${host}:${port} (${(cause as { code?: string }).code}). Set --metrics-port (or HOST) to another one.`,
      { cause },
    );
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function answer({ metrics, signal }: MetricsServerOptions, url: string, response: ServerResponse) {
  if (url === "/metrics") send(response, 200, metrics.contentType, await metrics.text());
  else if (url !== "/health") sendJson(response, 404, { error: "Ask for /metrics or /health." });
  else if (signal.aborted) sendJson(response, 503, { status: "stopping" });
  else sendJson(response, 200, { status: "live" });
}

function sendJson(response: ServerResponse, status: number, document: object): void {
  send(response, status, "application/json", JSON.stringify(document));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type }).end(body);
}
