/** A gateway that closes does not wait for those who have not asked anything. */
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { post, startFixture } from "./gateway-fixture.ts";

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
