/** An error that Kinesis has a name for: it reaches the client as `__type` and `message` with this HTTP status. */
export class KinesisError extends Error {
  override readonly name = "KinesisError";

  constructor(
    readonly type: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

export const validation = (message: string) => new KinesisError("ValidationException", message);
export const serialization = (message: string) => new KinesisError("SerializationException", message);
export const invalidArgument = (message: string) => new KinesisError("InvalidArgumentException", message);
export const notFound = (message: string) => new KinesisError("ResourceNotFoundException", message);
export const inUse = (message: string) => new KinesisError("ResourceInUseException", message);
export const limitExceeded = (message: string) => new KinesisError("LimitExceededException", message);
export const expiredIterator = (message: string) => new KinesisError("ExpiredIteratorException", message);
export const expiredToken = (message: string) => new KinesisError("ExpiredNextTokenException", message);
export const unknownOperation = (message: string) => new KinesisError("UnknownOperationException", message);
export const throughputExceeded = (message: string) =>
  new KinesisError("ProvisionedThroughputExceededException", message);
