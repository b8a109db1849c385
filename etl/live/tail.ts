/** What a shard holds behind a sequence number. */
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";

/** The records after `after`, or from the oldest one on, up to where the shard ends now. */
export async function* recordsAfter(
  events: EventStream,
  shard: string,
  after: string | null,
): AsyncIterable<readonly StreamRecord[]> {
  let last = after;
  let iterator: string | null = await events.iterator(shard, last);
  while (iterator !== null) {
    const fetched = await events.fetch(iterator);
    if (fetched === "expired") {
      iterator = await events.iterator(shard, last);
      continue;
    }
    last = fetched.records.at(-1)?.sequence ?? last;
    if (fetched.records.length > 0) yield fetched.records;
    iterator = fetched.millisBehindLatest === 0 ? null : fetched.next;
  }
}
