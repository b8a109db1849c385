import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { type Fixture, startFixture } from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

const executablePath = "/usr/bin/chromium";
const args =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split(
    " ",
  );

// in CI a skip would be a failure unseen: there the browser must be installed
describe.skipIf(!existsSync(executablePath) && process.env.CI === undefined)("GraphiQL in Chromium", () => {
  let fixture: Fixture;
  let browser: Browser;
  let page: Page;
  const requested: string[] = [];
  const problems: string[] = [];

  beforeAll(async () => {
    fixture = await startFixture();
    browser = await chromium.launch({ executablePath, args });
    page = await browser.newPage();
    page.on("request", (request) => requested.push(request.url()));
    page.on("websocket", (socket) => requested.push(socket.url()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    await page.goto(`${fixture.gateway.url}/`);
  });
  afterAll(async () => {
    await browser?.close();
    await fixture?.gateway.close();
  });

  test("shows the default query and its answer", async () => {
    await page.getByText("shopActivity").first().waitFor();
    await page.getByRole("button", { name: /execute/i }).click();
    await page.locator(".result-window, .graphiql-response").getByText('"sales"').first().waitFor();
    await expect.poll(() => resultText(page)).toContain('"sales": 4');
  });

  test("follows a subscription over WebSocket", async () => {
    await page.goto(
      `${fixture.gateway.url}/graphiql?query=${encodeURIComponent("subscription { shopActivityUpdated { sales } }")}`,
    );
    await page.getByText("shopActivityUpdated").first().waitFor();
    await page.getByRole("button", { name: /execute/i }).click();
    await expect.poll(() => resultText(page), { timeout: 10_000 }).toContain('"sales": 4');
    const sale = sold("Bern", 1, 1);
    fixture.shop.sales.push(sale);
    await fixture.broadcast.publish(batch("s-0", 1, [sale]));
    await expect.poll(() => resultText(page), { timeout: 10_000 }).toContain('"sales": 5');
  });

  test("asks no other host and nothing fails", () => {
    const { host } = new URL(fixture.gateway.url);
    const elsewhere = requested.filter((url) => /^(https?|wss?):/.test(url) && new URL(url).host !== host);
    expect(elsewhere).toEqual([]);
    expect(requested.length).toBeGreaterThan(2);
    expect(problems).toEqual([]);
  });
});

/** What the response editor shows, blanks evened out. */
async function resultText(page: Page): Promise<string> {
  const text = await page.locator(".result-window, .graphiql-response").first().innerText();
  return text.replaceAll(/\s+/g, " ");
}
