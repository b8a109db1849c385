/** An embedded endpoint in a process of its own, as `sluice start` has it, which a test may kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const starts = { dynamodb: "startDynamoDb", kinesis: "startKinesis", s3: "startS3" } as const;

const program = `
  const [module, start, folder] = process.argv.slice(1);
  console.log((await (await import(module))[start]({ folder })).endpoint);
`;

/** Returns at once, so that the process can be killed even when it does not come to listen. */
export function endpointProcess(
  service: keyof typeof starts,
  folder: string,
): { child: ChildProcess; endpoint: Promise<string> } {
  const module = new URL(`../../cloud/local/${service}.ts`, import.meta.url).href;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program, module, starts[service], folder],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const endpoint = once(child.stdout, "data").then(([line]: Buffer[]) => String(line).trim());
  return { child, endpoint };
}
