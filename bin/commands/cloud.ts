/** `sluice cloud`: the embedded cloud of the data folder until it is told to stop. */
import { startCloud } from "../cloud.ts";
import type { Environment } from "../environment.ts";
import { untilStopped } from "../signals.ts";

export async function runCloud({ data }: Environment): Promise<void> {
  const cloud = await startCloud(data);
  if (process.send === undefined)
    for (const [service, url] of Object.entries(cloud.endpoints)) console.log(`${service.padEnd(10)} ${url}`);
  else process.send({ endpoints: cloud.endpoints });
  await untilStopped();
  await cloud.close();
}
