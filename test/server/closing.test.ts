/** A gateway that closes does not wait for those who have not asked anything. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { type Fixture, listening, post, startFixture } from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

test("a connection that has asked nothing keeps no gateway from closing", async () => {
  const { gateway } = await startFixture();
  const { hostname, port } = new URL(gateway.url);
  const silent = connect(Number(port), hostname);
  await once(silent, "connect");
  // by now the gateway has the connection before this one, too
  await post(gateway, { query: "{ products { name } }" });
  const ended = once(silent, "close");
  await gateway.close();
  await ended;
  expect(silent.destroyed).toBe(true);
});

const feed = "subscription { saleFeed { cursor events { id shop } } }";
const streamPath = `/graphql/stream?query=${encodeURIComponent(feed)}`;

/** A client that asks for a feed's events by hand, and reads when it is told to. */
async function follower(fixture: Fixture): Promise<Socket> {
  const { hostname, port, host } = new URL(fixture.gateway.url);
  const client = connect(Number(port), hostname);
  client.on("error", () => {});
  client.write(`GET ${streamPath} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\n\r\n`);
  await once(client, "data");
  await listening(fixture, 1);
  return client;
}

test("a stream that is not read keeps no gateway from closing", async () => {
  const fixture = await startFixture();
  const client = await follower(fixture);
  client.pause();
  for (let i = 1; i <= 150; i++) {
    await fixture.broadcast.publish(batch("s-0", i, [sold("x".repeat(200_000), 1, 1)]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await fixture.gateway.close();
  client.destroy();
  expect(fixture.broadcast.listeners()).toBe(0);
});

test("while a gateway closes, nobody begins to follow: not on a connection that is there, nor on a new socket", async () => {
  const fixture = await startFixture();
  const { hostname, port, host } = new URL(fixture.gateway.url);
  // a client that answers no close keeps its socket open for a while
  const silent = connect(Number(port), hostname);
  silent.write(
    `GET /graphql HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${"A".repeat(22)}==\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n`,
  );
  await once(silent, "data");
  const client = await follower(fixture);
  let received = "";
  client.on("data", (data: Buffer) => (received += data.toString()));
  const late = connect(Number(port), hostname);
  await once(late, "connect");
  await post(fixture.gateway, { query: "{ products { name } }" });
  const closing = fixture.gateway.close();
  // its stream has ended, the connection is kept
  client.write(`GET ${streamPath} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\n\r\n`);
  const upgraded = new WebSocket(fixture.gateway.wsUrl, "graphql-transport-ws");
  const refused = once(upgraded, "unexpected-response");
  const [, response] = (await refused) as [unknown, { statusCode: number }];
  expect(response.statusCode).toBe(503);
  await closing;
  expect(received).toContain("503");
  for (const each of [silent, client, late]) each.destroy();
  expect(fixture.broadcast.listeners()).toBe(0);
});

test("a path that is no URL refuses its upgrade, and nothing else", async () => {
  const { gateway } = await startFixture();
  const { hostname, port, host } = new URL(gateway.url);
  const client = connect(Number(port), hostname);
  client.write(`GET // HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`);
  const [data] = (await once(client, "data")) as [Buffer];
  expect(data.toString()).toMatch(/^HTTP\/1.1 404 /);
  expect((await post(gateway, { query: "{ products { name } }" })).status).toBe(200);
  await gateway.close();
});
