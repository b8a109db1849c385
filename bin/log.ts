/** The process log: one JSON line per entry, on stderr. */
import { type Logger, pino } from "pino";
import type { Environment } from "./environment.ts";

export function logger({ logLevel }: Pick<Environment, "logLevel">): Logger {
  return pino({ level: logLevel }, pino.destination(2));
}
