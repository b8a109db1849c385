/** What waits for one socket, and for all of them: what leaves together, what is replaced, what ends. */
import { beforeEach, expect, test } from "vitest";
import { Backlog } from "../../src/server/backlog.ts";
import { type Framing, type Lane, Outbox, type Outboxes, type Sink } from "../../src/server/outbox.ts";
import { Scratch } from "../../src/server/scratch.ts";
import { Ticker } from "../../src/server/ticker.ts";
import type { Payload } from "../../src/subscriptions/shared-operations.ts";

/** A socket that passes everything on, until it is stuck: then it holds what is written. */
class FakeSink implements Sink {
  readonly writes: string[] = [];
  readonly parts: Buffer[] = [];
  stuck = false;
  /** As they were written, without a copy. */
  readonly held: Buffer[] = [];
  #drained = (): void => {};

  write(parts: readonly Buffer[]): void {
    this.writes.push(Buffer.concat(parts).toString());
    this.parts.push(...parts);
    if (this.stuck) this.held.push(...parts);
  }

  waiting(): number {
    return this.held.reduce((bytes, part) => bytes + part.length, 0);
  }

  onDrain(call: () => void): void {
    this.#drained = call;
  }

  drain(): string {
    this.stuck = false;
    const text = Buffer.concat(this.held.splice(0)).toString();
    this.#drained();
    return text;
  }
}

const bracket: Framing = {
  tail: Buffer.from(">"),
  headBytes: () => 1,
  writeHead: (_, into, at) => void into.write("<", at),
};

class FakeLane implements Lane {
  readonly framing = bracket;
  readonly sentAt: (string | undefined)[] = [];
  ended = 0;
  sent({ at }: Payload): void {
    this.sentAt.push(at);
  }
  behind(): void {
    this.ended += 1;
  }
}

const page = (text: string): Payload => ({ bytes: Buffer.from(text), at: text, cursor: text });
const state = (text: string): Payload => ({ bytes: Buffer.from(text) });

let shared: Outboxes;
let sink: FakeSink;
let outbox: Outbox;

beforeEach(() => {
  shared = {
    ticker: new Ticker(0, () => 0),
    backlog: new Backlog(100),
    scratch: new Scratch(),
    limits: { socketBytes: 8, waitingBytes: 20 },
  };
  sink = new FakeSink();
  outbox = new Outbox(sink, shared);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Makes the socket hold more than it may. */
function clog(of: Outbox, at: FakeSink): void {
  at.stuck = true;
  of.add(new FakeLane(), state("0123456789"));
  of.flush();
  of.add(new FakeLane(), state("-"));
  of.flush();
}

test("what one turn adds leaves in one write, in its order", async () => {
  const [a, b] = [new FakeLane(), new FakeLane()];
  outbox.add(a, page("1"));
  outbox.add(b, page("2"));
  await turn();
  expect(sink.writes).toEqual(["<1><2>"]);
  outbox.add(a, page("3"));
  await turn();
  expect(sink.writes).toEqual(["<1><2>", "<3>"]);
  expect(a.sentAt).toEqual(["1", "3"]);
});

test("a write is as large as a socket may hold, or one frame", () => {
  const lane = new FakeLane();
  for (const text of ["aa", "bb", "cc", "0123456789", "dd"]) outbox.add(lane, page(text));
  outbox.flush();
  expect(sink.writes).toEqual(["<aa><bb>", "<cc>", "<0123456789>", "<dd>"]);
});

test("what an ending has to come behind is written whatever the socket holds", () => {
  clog(outbox, sink);
  outbox.add(new FakeLane(), page("last"));
  outbox.flushAll();
  expect(sink.writes.join("")).toBe("<0123456789><-><last>");
});

test("of a state only the newest waits for a socket that does not keep up", () => {
  clog(outbox, sink);
  const [feed, insight] = [new FakeLane(), new FakeLane()];
  outbox.add(insight, state("1"));
  outbox.add(feed, page("p"));
  outbox.add(insight, state("2"));
  expect(sink.drain()).toBe("<0123456789>");
  expect(sink.writes.slice(1).join("")).toBe("<-><p><2>");
});

test("a feed for which too much waits ends, the others go on", () => {
  clog(outbox, sink);
  const [slow, other] = [new FakeLane(), new FakeLane()];
  outbox.add(other, page("o"));
  outbox.add(slow, page("0123456789"));
  expect(slow.ended).toBe(0);
  outbox.add(slow, page("0123456789"));
  expect(slow.ended).toBe(1);
  outbox.add(other, page("p"));
  sink.drain();
  expect(sink.writes.slice(1).join("")).toBe("<-><o><p>");
  expect([slow.ended, other.ended]).toEqual([1, 0]);
});

test("what waits for many sockets counts once, and a feed ends when all that waits is too much", () => {
  const clogged = Array.from({ length: 20 }, () => {
    const own = new FakeSink();
    const box = new Outbox(own, shared);
    clog(box, own);
    return { box, own, lane: new FakeLane() };
  });
  const common = page("0123456789");
  for (const { box, lane } of clogged) box.add(lane, common);
  expect(clogged.filter(({ lane }) => lane.ended > 0)).toEqual([]);
  expect(shared.backlog.isFull).toBe(false);
  for (const [i, { box, lane }] of clogged.entries()) box.add(lane, page(String(i).repeat(8).slice(0, 8)));
  expect(clogged.map(({ lane }) => lane.ended)).toContain(1);
  expect(shared.backlog.isFull).toBe(false);
  for (const { own } of clogged) own.drain();
  const late = new FakeLane();
  clog(outbox, sink);
  outbox.add(late, page("0123456789"));
  expect(late.ended).toBe(0);
});

test("what a socket still holds is not written over by what comes next", () => {
  const lane = new FakeLane();
  const other = new FakeSink();
  const otherBox = new Outbox(other, shared);
  sink.stuck = true;
  outbox.add(lane, page("mine"));
  outbox.flush();
  for (let i = 0; i < 100_000; i++) {
    otherBox.add(lane, page("other"));
    otherBox.flush();
  }
  expect(other.writes.every((text) => text === "<other>")).toBe(true);
  expect(sink.drain()).toBe("<mine>");
});

test("memory of what was passed on at once serves the next write, and a large payload is not copied", () => {
  const lane = new FakeLane();
  const large = page("x".repeat(100_000));
  outbox.add(lane, page("1"));
  outbox.flush();
  outbox.add(lane, page("2"));
  outbox.flush();
  expect(sink.parts[0]!.byteOffset).toBe(sink.parts[1]!.byteOffset);
  outbox.add(lane, large);
  outbox.flush();
  expect(sink.parts.slice(2)).toContain(large.bytes);
  expect(sink.writes[2]).toBe(`<${"x".repeat(100_000)}>`);
});

test("what is dropped is not sent, and makes room", () => {
  clog(outbox, sink);
  const [gone, stays] = [new FakeLane(), new FakeLane()];
  outbox.add(gone, page("0123456789"));
  outbox.drop(gone);
  outbox.add(stays, page("0123456789"));
  expect(stays.ended).toBe(0);
  sink.drain();
  expect(sink.writes.slice(1).join("")).toBe("<-><0123456789>");
});
