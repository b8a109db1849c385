/** The held-back days through the stream: feed, subscription, live answers, and the refresh that takes over. */
import type { Client } from "graphql-ws";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Answer, ask, data, follow, type Following, type Json, socket } from "./client.ts";
import { expectSame, type Stage, stored, storedSql, wholeFile } from "./truth.ts";

export function replaySuite(stage: () => Stage): void {
  describe("the replay", () => {
    let client: Client;
    let ord: Following;
    let feed: Following;
    let toDallas: Following;

    beforeAll(async () => {
      client = socket(stage().demo.url);
      ord = follow(
        client,
        `subscription { flightActivityUpdated(where: {origin: {eq: "ORD"}}) { id origin from to flights delayMinutes } }`,
      );
      feed = follow(
        client,
        `subscription { flightFeed { cursor events { id date delay distance origin destination originCity originState destinationCity destinationState } } }`,
      );
      toDallas = follow(
        client,
        `subscription { flightFeed(where: {destinationCity: {eq: "Dallas-Fort Worth"}}) { events { date origin destinationCity destinationState } } }`,
      );
      await ord.until(({ length }) => length > 0, "the snapshot");
      await stage().demo.replay();
    });

    afterAll(() => client.dispose());

    it("brings every held-back event to the feed once, as it was", async () => {
      const truth = await stage().oracle.row(
        `SELECT count(*) AS flights, sum(delay) AS delay, sum(distance) AS distance, count(DISTINCT origin || destination) AS routes FROM flights WHERE date >= TIMESTAMP '2001-06-28'`,
      );
      const events = (): Json[] => feed.messages.flatMap(({ data: page }) => page.flightFeed.events);
      await feed.until(() => events().length >= Number(truth.flights), "all events of the feed");
      const all = events();
      expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
      const sum = (column: string): number => all.reduce((total, event) => total + event[column], 0);
      expect({
        flights: all.length,
        delay: sum("delay"),
        distance: sum("distance"),
        routes: new Set(all.map((event) => event.origin + event.destination)).size,
      }).toEqual(truth);
      expect(
        Math.max(...feed.messages.map(({ data: page }) => page.flightFeed.events.length)),
      ).toBeLessThanOrEqual(100);
    });

    it("gives every event of the feed the cities and states of its airports", async () => {
      const columns = ["originCity", "originState", "destinationCity", "destinationState"];
      const quoted = columns.map((column) => `"${column}"`).join(", ");
      const truth = await stage().oracle.rows(
        `SELECT origin, destination, ${quoted}, count(*) AS n FROM located WHERE date >= TIMESTAMP '2001-06-28' GROUP BY ALL`,
      );
      const counts = new Map<string, number>();
      const events: Json[] = feed.messages.flatMap(({ data: page }) => page.flightFeed.events);
      for (const event of events) {
        const row = JSON.stringify(["origin", "destination", ...columns].map((column) => event[column]));
        counts.set(row, (counts.get(row) ?? 0) + 1);
      }
      const expected = truth.map(({ n, ...row }) => [JSON.stringify(Object.values(row)), n] as const);
      expect(counts).toEqual(new Map(expected));
    });

    it("filters a feed by what was looked up", async () => {
      const truth = await stage().oracle.rows(
        `SELECT origin, count(*) AS n FROM located WHERE date >= TIMESTAMP '2001-06-28' AND "destinationCity" = 'Dallas-Fort Worth' GROUP BY 1`,
      );
      const total = truth.reduce((sum, { n }) => sum + Number(n), 0);
      const events = (): Json[] => toDallas.messages.flatMap(({ data: page }) => page.flightFeed.events);
      await toDallas.until(() => events().length >= total, "the filtered feed");
      expect(total).toBeGreaterThan(1_000);
      const counts = new Map<string, number>();
      for (const { origin } of events()) counts.set(origin, (counts.get(origin) ?? 0) + 1);
      expect(counts).toEqual(new Map(truth.map(({ origin, n }) => [origin, n])));
      expect(new Set(events().map((event) => `${event.destinationCity}, ${event.destinationState}`))).toEqual(
        new Set(["Dallas-Fort Worth, TX"]),
      );
    });

    it("shows a subscriber the snapshot, then increasing states that end at what the query says", async () => {
      const query = `{ flightActivity(where: {origin: {eq: "ORD"}}) { id origin from to flights delayMinutes } }`;
      const final = await data(stage().demo.url, query);
      await ord.until(
        (messages) => messages.at(-1)!.data.flightActivityUpdated.flights === final.flightActivity.flights,
        "the final state",
      );
      const states = ord.messages.map(({ data: state }) => state.flightActivityUpdated.flights);
      const inEditions = await stage().oracle.row(
        `SELECT count(*) AS flights FROM flights WHERE origin = 'ORD' AND date < TIMESTAMP '2001-06-28'`,
      );
      expect(states[0]).toBe(inEditions.flights);
      expect(states).toEqual([...states].sort((a, b) => a - b));
      expect(states.length).toBeGreaterThan(2);
      expect(ord.messages.at(-1)!.data.flightActivityUpdated).toEqual(final.flightActivity);
      expectSame(
        final.flightActivity,
        await stage().oracle.row(
          `SELECT count(*) AS flights, sum(delay) AS "delayMinutes" FROM flights WHERE origin = 'ORD'`,
        ),
      );
    });

    it("answers the whole file, part from editions, part live", async () => {
      await vi.waitFor(async () => expect((await coverage()).liveTo).toBe("2001-07-02T00:00:00.000Z"), {
        timeout: 30_000,
        interval: 200,
      });
      const answer = await ask(stage().demo.url, wholeFileQuery);
      await expectWholeFile(answer);
      const sources = sourcesOf(answer, "total");
      expect(sources).toEqual(["EDITION", "LIVE"]);
    });

    it("refreshes: the same numbers, all from editions, also ad hoc", async () => {
      const before = await ask(stage().demo.url, wholeFileQuery);
      await stage().demo.refresh();
      // a gateway looks for new manifests every second
      const after = await vi.waitFor(
        async () => {
          const answer = await ask(stage().demo.url, wholeFileQuery);
          expect(sourcesOf(answer, "total")).toEqual(["EDITION"]);
          return answer;
        },
        { timeout: 10_000 },
      );
      await expectWholeFile(after);
      expect(after.data).toEqual(before.data);
      expect(sourcesOf(after, "route")).toEqual(["EDITION"]);
      const { products } = await data(
        stage().demo.url,
        `{ products { name coverage { from to liveTo } editions { current rows } } }`,
      );
      expect(products[0].coverage).toEqual({
        from: "2001-01-01T00:00:00.000Z",
        to: "2001-07-02T00:00:00.000Z",
        liveTo: "2001-07-02T00:00:00.000Z",
      });
      expect(products[0].editions.map(({ current, rows }: Json) => [current, rows])).toEqual([
        [true, 3_000_000],
        [false, 2_949_398],
      ]);
      const both = await data(
        stage().demo.url,
        `{ flightActivity(range: {from: "2001-06-27T00:00:00Z", to: "2001-07-02T00:00:00Z"}) { flights medianDelay } asked: flightActivity(where: {distance: {gte: 0}}, range: {from: "2001-06-27T00:00:00Z", to: "2001-07-02T00:00:00Z"}) { flights } }`,
      );
      const truth = await stage().oracle.row(
        `SELECT count(*) AS flights, quantile_disc(delay, 0.5) AS "medianDelay" FROM flights WHERE date >= TIMESTAMP '2001-06-27'`,
      );
      expectSame(both.flightActivity, truth);
      expect(both.asked.flights).toBe(truth.flights);
    });

    it("answers by state and city over the whole file, from Athena", async () => {
      const where = `originState: {eq: "TX"}, destinationCity: {ne: "Houston"}`;
      const answer = await data(
        stage().demo.url,
        `{ flightActivity(where: {${where}}, ${wholeFile}) { ${stored} medianDelay series(grain: MONTH) { flights } } }`,
      );
      const condition = `"originState" = 'TX' AND "destinationCity" <> 'Houston'`;
      expectSame(
        answer.flightActivity,
        await stage().oracle.row(
          `SELECT ${storedSql}, quantile_disc(delay, 0.5) AS "medianDelay" FROM located WHERE ${condition}`,
        ),
      );
      const months = await stage().oracle.rows(
        `SELECT count(*) AS flights FROM located WHERE ${condition} GROUP BY date_trunc('month', date) ORDER BY date_trunc('month', min(date))`,
      );
      expect(answer.flightActivity.series).toEqual(months);
    });

    it("finds nothing to do in a second refresh", async () => {
      stage().demo.count.reset();
      expect(await stage().demo.refresh()).toMatchObject({ changed: [] });
      expect(stage().demo.count.of("StartQueryExecutionCommand")).toBe(0);
    });

    const wholeFileQuery = `{
    total: flightActivity(${wholeFile}) { ${stored} complete }
    ord: flightActivity(where: {origin: {eq: "ORD"}}, ${wholeFile}) { ${stored} }
    route: flightActivity(where: {origin: {eq: "ORD"}, destination: {eq: "LAX"}}, ${wholeFile}) { ${stored} }
    last: flightActivity(range: {last: "PT25H"}) { from to flights series(grain: HOUR) { flights } }
  }`;

    async function coverage(): Promise<Json> {
      return (
        await data(stage().demo.url, `{ product(name: "FlightActivity") { coverage { from to liveTo } } }`)
      ).product.coverage;
    }

    async function expectWholeFile(answer: Answer): Promise<void> {
      expect(answer.errors).toBeUndefined();
      expectSame(answer.data.total, await stage().oracle.row(`SELECT ${storedSql} FROM flights`));
      expectSame(
        answer.data.ord,
        await stage().oracle.row(`SELECT ${storedSql} FROM flights WHERE origin = 'ORD'`),
      );
      expectSame(
        answer.data.route,
        await stage().oracle.row(
          `SELECT ${storedSql} FROM flights WHERE origin = 'ORD' AND destination = 'LAX'`,
        ),
      );
      expect(answer.data.total.complete).toBe(true);
      expect(answer.data.last).toMatchObject({
        from: "2001-06-30T00:00:00.000Z",
        to: "2001-07-01T01:00:00.000Z",
      });
      expectSame(
        answer.data.last,
        await stage().oracle.row(
          `SELECT count(*) AS flights FROM flights WHERE date >= TIMESTAMP '2001-06-30'`,
        ),
      );
    }

    function sourcesOf({ extensions }: Answer, path: string): string[] {
      return extensions.sluice.provenance
        .filter((entry: Json) => entry.path === path)
        .map(({ source }: Json) => source);
    }
  });
}
