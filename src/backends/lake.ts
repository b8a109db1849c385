/** The objects of the lake (S3). Keys are relative to the lake's bucket. */

export interface LakeObject {
  readonly key: string;
  readonly size: number;
  /** Changes whenever the content does. */
  readonly etag: string;
}

export interface Lake {
  /** All objects below a prefix, in order of their keys. */
  list(prefix: string): AsyncIterable<LakeObject>;
  /** Rejects when there is no such object. */
  read(key: string): Promise<Uint8Array>;
  write(key: string, bytes: Uint8Array): Promise<void>;
  /** Copies on the server; repeating it is harmless. */
  copy(from: string, to: string): Promise<void>;
  remove(keys: readonly string[]): Promise<void>;
  /** `s3://bucket/key`, as statements name it. */
  url(key: string): string;
  /** The key of an `s3://` URL in this lake. */
  key(url: string): string;
}
