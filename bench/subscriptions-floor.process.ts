/** The floor: one prebuilt frame of so many bytes (the argument), written raw to every socket of `ws`. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { serveLoads } from "./broadcasting.ts";
import { nowMicros } from "./readings.ts";

const frameBytes = Number(process.argv[2]);
const sockets: Duplex[] = [];
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 1_024 });
server.on("connection", (_socket, request) => void sockets.push(request.socket));
await once(server, "listening");
serveLoads(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, (update, { readings, filtered }) => {
  const frame = frameOf(`{"sentAt":${nowMicros()},"note":"`);
  if (!filtered) for (const socket of sockets) socket.write(frame);
  else for (let i = 0; i < readings; i++) sockets[(update * readings + i) % sockets.length]!.write(frame);
});

function frameOf(beginning: string): Buffer {
  const frame = Buffer.alloc(frameBytes, "n");
  frame[0] = 0x81; // FIN, a text
  frame[1] = 126; // its length follows in two bytes
  frame.writeUInt16BE(frameBytes - 4, 2);
  frame.write(beginning, 4);
  frame.write('"}', frameBytes - 2);
  return frame;
}
