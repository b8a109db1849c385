/** HTTP servers on a free port of the loopback, and their end. */
import type { Server } from "node:http";

const closeGraceMs = 1_000; // for requests in flight

/** Resolves to `http://host:port`; rejects when the port is taken. */
export function listen(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, host, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      resolve(`http://${host.includes(":") ? `[${host}]` : host}:${bound}`);
    });
  });
}

/** Answers what is in flight, then ends every connection. */
export function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const impatient = setTimeout(() => server.closeAllConnections(), closeGraceMs);
    server.close(() => {
      clearTimeout(impatient);
      resolve();
    });
  });
}
