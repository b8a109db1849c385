/** Embedded Kineses of one test on a data folder that is new in every test. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { EmbeddedKinesis } from "./kinesis.target.ts";

export interface World {
  readonly embedded: EmbeddedKinesis;
  readonly folder: string;
  readonly logFiles: () => Promise<string[]>;
}

/** To be called once per file; the folder is there inside of tests only. */
export function kinesisWorld(): World {
  const embedded = new EmbeddedKinesis();
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-kinesis-"));
  });
  afterEach(async () => {
    await embedded.stop();
    await rm(folder, { recursive: true });
  });
  return {
    embedded,
    get folder() {
      return folder;
    },
    async logFiles() {
      const names = await readdir(folder, { recursive: true });
      return names
        .filter((name) => name.endsWith(".log"))
        .map((name) => join(folder, name))
        .sort();
    },
  };
}

export function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, nth) => `record ${from + nth}`);
}
