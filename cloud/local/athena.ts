/**
 * The embedded Athena: the real AthenaClient talks to it over HTTP, DuckDB answers the very SQL that is sent to AWS.
 * `s3://bucket/key` is `<s3Folder>/bucket/key`. Catalogue, workgroups and history are kept in `folder`.
 *
 * What it would answer differently from Athena it does not answer: the statement ends FAILED and says why.
 */
import { mkdir, realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openCatalogue } from "./athena/catalogue.ts";
import { openEngine } from "./athena/engine.ts";
import { createExecutions } from "./athena/executions.ts";
import { createFooters } from "./athena/footers.ts";
import { openHistory } from "./athena/history.ts";
import { athenaOperations } from "./athena/operations.ts";
import { protocolServer } from "./athena/protocol.ts";
import { openWorkGroups } from "./athena/workgroups.ts";
import { listen, stop } from "./listening.ts";

export interface AthenaOptions {
  /** Where catalogue, workgroups and history are kept. */
  readonly folder: string;
  /** The folder whose sub-folders are the buckets. */
  readonly s3Folder: string;
  /** Any free port by default. */
  readonly port?: number;
  readonly host?: string;
  /** Threads of DuckDB. */
  readonly threads?: number;
}

export interface RunningAthena {
  /** For the client's `endpoint`. */
  readonly endpoint: string;
  /** Stops what runs (CANCELLED) and frees the port. */
  close(): Promise<void>;
}

/** Starts the service. Rejects where the port is taken or the folders cannot be written. */
export async function startAthena(options: AthenaOptions): Promise<RunningAthena> {
  const folders = await openFolders(options);
  const engine = await openEngine(
    [folders.s3, folders.links, folders.staging],
    options.threads ?? 2,
    folders.spill,
  );
  const catalogue = await openCatalogue(join(folders.own, "catalogue"));
  const history = await openHistory(join(folders.own, "executions"), Date.now());
  const workGroups = await openWorkGroups(folders.own);
  const executions = createExecutions({
    engine,
    history,
    catalogue,
    planner: engine.planner,
    footers: createFooters(engine.planner),
    folder: folders.own,
    s3Folder: folders.s3,
    linkFolder: folders.links,
    stagingFolder: folders.staging,
    exclusively: oneAtATime(),
  });
  const server = protocolServer(
    athenaOperations({ history, executions, workGroups, catalogue, s3Folder: folders.s3 }),
  );
  const { port = 0, host = "127.0.0.1" } = options;
  const endpoint = await listen(server, port, host);
  return {
    endpoint,
    async close() {
      await stop(server);
      await executions.close();
      engine.close();
    },
  };
}

interface Folders {
  readonly own: string;
  readonly s3: string;
  readonly links: string;
  readonly staging: string;
  readonly spill: string;
}

async function openFolders(options: AthenaOptions): Promise<Folders> {
  await mkdir(options.folder, { recursive: true });
  await mkdir(options.s3Folder, { recursive: true });
  // DuckDB compares real paths with the folders it may touch
  const own = await realpath(resolve(options.folder));
  const s3 = await realpath(resolve(options.s3Folder));
  // not a bucket's name, but on the same file system as every bucket, so that files can be renamed into place
  const folders = {
    own,
    s3,
    links: join(own, "links"),
    staging: join(s3, ".athena"),
    spill: join(own, "spill"),
  };
  for (const scratch of [folders.links, folders.staging, folders.spill]) {
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
  }
  return folders;
}

/** Runs changes one after the other, whatever becomes of them. */
function oneAtATime(): <T>(change: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (change) => {
    const next = last.then(change, change);
    last = next;
    return next;
  };
}
