import { xml, xmlDocument } from "./s3.xml.ts";

/** What the S3 endpoint answers instead of a result: the codes of "Error responses" in the Amazon S3 API reference. */
const statusOf = {
  AccessDenied: 403,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NotImplemented: 501,
  NotModified: 304,
  PreconditionFailed: 412,
} as const;

export type S3ErrorCode = keyof typeof statusOf;

export class S3Error extends Error {
  readonly status: number;

  constructor(
    readonly code: S3ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "S3Error";
    this.status = statusOf[code];
  }
}

export const errorDocument = (error: S3Error, resource: string): string =>
  xmlDocument(
    xml("Error", xml("Code", error.code), xml("Message", error.message), xml("Resource", resource)),
  );

export const notImplemented = (what: string, wayOut: string): S3Error =>
  new S3Error("NotImplemented", `The embedded S3 does not implement ${what}. ${wayOut}`);

/** Whether a failed file operation says one of these, `ENOENT` say. */
export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));
