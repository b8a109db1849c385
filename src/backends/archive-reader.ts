/** Reads back what micro-batches have archived. */
import type { Source } from "../model/source.ts";
import type { Event } from "../model/values.ts";
import type { LakeObject } from "./lake.ts";

export interface ArchiveReader {
  /**
   * The events of some files of a source's archive, in batches: its own columns. Of a column that a file does not have,
   * because it was declared later, nulls; columns that are no longer declared are left out. Rejects when a file is gone.
   */
  read(source: Source, files: readonly LakeObject[]): AsyncIterable<readonly Event[]>;
}
