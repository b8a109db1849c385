/** What the DynamoDB endpoint answers instead of an output: `type` is the exception's name on the wire. */
export class DynamoDbError extends Error {
  constructor(
    readonly type: string,
    message: string,
    /** The last stored item, for `ReturnValuesOnConditionCheckFailure: ALL_OLD`, as attribute values. */
    readonly item?: object,
    readonly status = 400,
  ) {
    super(message);
    this.name = "DynamoDbError";
  }
}

/** The JSON 1.0 error document the AWS SDKs read: the exception's shape id, a message, the item if there is one. */
export function errorDocument(error: DynamoDbError): object {
  const document = { __type: `com.amazonaws.dynamodb.v20120810#${error.type}`, message: error.message };
  return error.item === undefined ? document : { ...document, Item: error.item };
}
