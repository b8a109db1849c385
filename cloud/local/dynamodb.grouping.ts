/**
 * Group reads and group commit for dynalite, which asks LevelDB for one key at a time: whatever is asked for in one
 * turn of the event loop, a batch of 25 or 100 items say, becomes one call. It changes no order that anyone can
 * observe: dynalite locks a key from the read to the end of the write.
 */
import type { Callback, Json, LevelDb } from "./dynamodb.dynalite.ts";

/** Calls without a callback, which return promises, stay as they are. */
export function groupCalls(db: LevelDb): void {
  const readOne = db.get.bind(db);
  const writeOne = db.put.bind(db);
  const read = grouped<string, Json | undefined>((keys) => readDistinct(db, keys));
  const write = grouped<{ key: string; value: Json }, void>(async (puts) => {
    await db.batch(puts.map((put) => ({ type: "put", ...put })));
    return [];
  });
  db.get = (key, callback) => (callback === undefined ? readOne(key) : read(key, callback));
  db.put = (key, value, callback) =>
    callback === undefined ? writeOne(key, value) : write({ key, value }, callback);
}

/** A batch reads its table's description once per item. */
async function readDistinct(db: LevelDb, keys: readonly string[]): Promise<(Json | undefined)[]> {
  const distinct = [...new Set(keys)];
  const values = await db.getMany(distinct);
  const found = new Map(distinct.map((key, index) => [key, values[index]]));
  return keys.map((key) => found.get(key));
}

interface Call<Argument, Result> {
  readonly argument: Argument;
  readonly callback: Callback<Result>;
}

/** Collects calls until the turn ends, hands all of them to `run` and each caller its own result, by position. */
function grouped<Argument, Result>(
  run: (group: readonly Argument[]) => Promise<readonly Result[]>,
): (argument: Argument, callback: Callback<Result>) => Promise<undefined> {
  let waiting: Call<Argument, Result>[] = [];
  const flush = async (): Promise<void> => {
    const group = waiting;
    waiting = [];
    const outcome = await run(group.map(({ argument }) => argument)).catch((error: unknown) =>
      asError(error),
    );
    setImmediate(() => {
      for (const [index, { callback }] of group.entries()) {
        if (outcome instanceof Error) callback(outcome);
        else callback(null, outcome[index]);
      }
    });
  };
  return (argument, callback) => {
    if (waiting.push({ argument, callback }) === 1) queueMicrotask(() => void flush());
    return nothing;
  };
}

const nothing = Promise.resolve(undefined);

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
