/** Two right declarations for the tests of wrong ones, and how those are refused. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { DeclarationError } from "../../src/model/errors.ts";
import { Column, Source } from "../../src/model/source.ts";

@Source({ table: "aviation.departures", time: "date", stream: "departures", description: "Departures." })
export class Departure {
  @Column(() => GraphQLDateTime) date!: Date;
  @Column(() => Int, { nullable: true }) delay!: number | null;
  @Column(() => String) origin!: string;
  @Column(() => Boolean) cancelled!: boolean;
  @Column(() => String) total!: string;
}

@Source({ table: "aviation.landings", time: "date", description: "Landings, without a stream." })
export class Landing {
  @Column(() => GraphQLDateTime) date!: Date;
  @Column(() => Int) speed!: number;
  @Column(() => Boolean, { name: "late" }) delay!: boolean;
}

export const departure = columns(Departure);

/** The message of the `DeclarationError` that `declare` throws. */
export function refusal(declare: () => unknown): string {
  try {
    declare();
  } catch (error) {
    if (error instanceof DeclarationError && error.code === "DECLARATION") return error.message;
    throw error;
  }
  throw new Error("It was not refused.");
}
