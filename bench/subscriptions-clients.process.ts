/**
 * Clients of the subscription bench: as many sockets as asked for, that count what comes and decode nothing, so that the
 * server is what is measured.
 */
import { randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameReader } from "./frame-reader.ts";
import { feedQuery, nowMicros, sensorQuery } from "./readings.ts";

export interface Opening {
  readonly url: string;
  readonly count: number;
  /** One filter each, or the same feed for all; null to say nothing. */
  readonly asks: "sensor" | "feed" | null;
  /** Whether they stop reading once they have subscribed. */
  readonly stalled: boolean;
}

/** What has come until so many deliveries had, or nothing more came. */
export interface Received {
  readonly deliveries: number;
  readonly bytesEach: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Sockets that the server has closed. */
  readonly closed: number;
}

export type ClientsAsked = { readonly open: Opening } | { readonly await: number } | "close";

const openedAtOnce = 50;
const sampled = 200; // sockets whose latencies are taken
const quietMs = 15_000; // without a delivery: nothing more comes
const sentAt = Buffer.from('"sentAt":');
const emptyPong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** Every socket is read into it: what is read is taken in before the next is. */
const shared = Buffer.allocUnsafe(256 * 1024);
let sockets: Socket[] = [];
let counted = { deliveries: 0, bytes: 0, first: 0, last: 0, closed: 0, latencies: [] as number[] };
reset();

process.on("message", (asked: ClientsAsked) => {
  if (asked === "close") close();
  else if ("open" in asked) void openAll(asked.open).then(() => process.send?.("open"));
  else void received(asked.await).then((found) => process.send?.(found));
});
process.once("SIGTERM", () => process.exit(0));
process.once("disconnect", () => process.exit(0)); // the conductor was killed

function close(): void {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  process.send?.("closed");
}

async function openAll(opening: Opening): Promise<void> {
  const stride = Math.max(1, Math.floor(opening.count / sampled));
  for (let first = 0; first < opening.count; first += openedAtOnce) {
    const some = Array.from({ length: Math.min(openedAtOnce, opening.count - first) }, (_, i) => first + i);
    sockets.push(...(await Promise.all(some.map((i) => open(opening, i, i % stride === 0)))));
  }
}

/** Resolves when it has subscribed, as far as that is answered. */
function open({ url, asks, stalled }: Opening, i: number, isSampled: boolean): Promise<Socket> {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    let ready = false;
    const beReady = (): void => {
      ready = true;
      resolve(socket);
    };
    const say = (...messages: readonly object[]): void => {
      for (const message of messages) socket.write(masked(JSON.stringify(message)));
    };
    const frames = new FrameReader({
      text: (length, bytes) => {
        if (ready) return count(length, isSampled ? bytes : null);
        if (bytes!.includes("pong")) beReady();
        else if (bytes!.includes("connection_ack")) say(subscribe(asks!, i), { type: "ping" });
      },
      ping: () => socket.write(emptyPong),
      close: () => socket.end(),
    });
    let upgraded = false;
    const callback = (length: number): boolean => {
      if (upgraded) frames.take(shared.subarray(0, length));
      else {
        upgraded = true;
        if (!shared.toString("latin1", 0, length).startsWith("HTTP/1.1 101"))
          reject(new Error("No upgrade."));
        if (asks === null) beReady();
        else say({ type: "connection_init" });
      }
      return !(ready && stalled);
    };
    const socket = connect({ host: hostname, port: Number(port), onread: { buffer: shared, callback } });
    socket.once("error", reject);
    socket.once("close", () => {
      counted.closed += 1;
      reject(new Error("Closed before it had subscribed."));
    });
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomKey(i)}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
    );
  });
}

const randomKey = (i: number): string => Buffer.from(String(i).padStart(16, "0")).toString("base64");

/** Under an id as the client of graphql-ws makes it. */
function subscribe(asks: "sensor" | "feed", i: number): object {
  const query = asks === "sensor" ? sensorQuery(i) : feedQuery;
  return { id: randomUUID(), type: "subscribe", payload: { query } };
}

/** A text as a client sends it, under a mask of zeroes. */
function masked(text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = Buffer.alloc(bytes.length < 126 ? 6 : 8);
  header[0] = 0x81;
  header[1] = 0x80 | Math.min(bytes.length, 126);
  if (bytes.length >= 126) header.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([header, bytes]);
}

function count(length: number, bytes: Buffer | null): void {
  counted.deliveries += 1;
  counted.bytes += length;
  counted.last = nowMicros();
  if (counted.first === 0) counted.first = counted.last;
  const at = bytes === null ? -1 : bytes.indexOf(sentAt);
  if (at < 0) return;
  const start = at + sentAt.length;
  const sent = Number.parseFloat(bytes!.toString("latin1", start, start + 20));
  counted.latencies.push((counted.last - sent) / 1_000);
}

function reset(): void {
  counted = { deliveries: 0, bytes: 0, first: 0, last: 0, closed: 0, latencies: [] };
}

async function received(awaited: number): Promise<Received> {
  let seen = counted.deliveries;
  let quietSince = nowMicros();
  while (counted.deliveries < awaited && nowMicros() - quietSince < quietMs * 1_000) {
    await sleep(20);
    if (counted.deliveries !== seen) quietSince = nowMicros();
    seen = counted.deliveries;
  }
  const { deliveries, bytes, first, last, closed, latencies } = counted;
  reset();
  latencies.sort((a, b) => a - b);
  const percentile = (of: number) => latencies[Math.floor((latencies.length - 1) * of)] ?? Number.NaN;
  return {
    deliveries,
    bytesEach: deliveries === 0 ? 0 : bytes / deliveries,
    seconds: (last - first) / 1e6,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    closed,
  };
}
