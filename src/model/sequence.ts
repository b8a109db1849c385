/** Kinesis sequence numbers: decimal strings of up to ~56 digits, which neither a double nor a DynamoDB number holds. */

/** A sequence number as a string that sorts: its length first. `4960…` becomes `056:4960…`. */
export function sortableSequence(sequence: string): string {
  return `${String(sequence.length).padStart(3, "0")}:${sequence}`;
}

/** Back to the number that Kinesis knows. */
export function plainSequence(sortable: string): string {
  return sortable.slice(sortable.indexOf(":") + 1);
}
