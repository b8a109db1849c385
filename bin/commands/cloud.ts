/** `sluice cloud`: the embedded cloud of the data folder until it is told to stop. */
import { SluiceError } from "../../src/model/errors.ts";
import { startCloud } from "../cloud.ts";
import type { Environment } from "../environment.ts";
import { untilStopped } from "../signals.ts";

export async function runCloud({ data }: Environment): Promise<void> {
  const cloud = await startCloud(data).catch((cause: unknown): never => {
    throw new SluiceError("BACKEND_UNAVAILABLE", (cause as Error).message, { cause });
  });
  const stopped = untilStopped();
  if (process.connected) process.send?.({ endpoints: cloud.endpoints });
  else if (process.send === undefined)
    for (const [service, url] of Object.entries(cloud.endpoints)) console.log(`${service.padEnd(10)} ${url}`);
  await stopped;
  await cloud.close();
  // an open channel to the parent keeps a process alive
  if (process.connected) process.disconnect();
}
