/** What a shard holds behind a record: to find out whether a put that was not answered has come in. */
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";

/** Every record after the given sequence number that is there now; all of them for null. */
export async function* recordsAfter(
  stream: EventStream,
  shard: string,
  after: string | null,
): AsyncIterable<StreamRecord> {
  let iterator: string | null = await stream.iterator(shard, after);
  while (iterator !== null) {
    const fetched = await stream.fetch(iterator);
    if (fetched === "expired") throw new Error(`The iterator of ${shard} expired while it was in use.`);
    yield* fetched.records;
    iterator = fetched.millisBehindLatest === 0 ? null : fetched.next;
  }
}
