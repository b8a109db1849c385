/** Child processes of a bench: a module each, started with the flags of this process, spoken to over IPC. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Starts a module of this folder. Its output goes to this process's. */
export function start(module: string, args: readonly string[] = []): ChildProcess {
  const file = fileURLToPath(new URL(module, import.meta.url));
  return fork(file, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

/** The child's next message. Rejects when it ends without one. */
export async function messageOf<T>(child: ChildProcess): Promise<T> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const first = Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(([code]: unknown[]) => {
        throw new Error(`${child.spawnargs.slice(1).join(" ")} ended with code ${String(code)}.`);
      }),
    ]);
    return ((await first) as [T])[0];
  } finally {
    settled.abort();
  }
}

/** Runs a module to its end. Resolves to the message that it sent. */
export async function run<T>(module: string, args: readonly string[] = []): Promise<T> {
  const child = start(module, args);
  const message = await messageOf<T>(child);
  if (child.exitCode === null) await once(child, "exit");
  return message;
}

export async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** CPU seconds of this process so far, user and system. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds of a child so far; it answers questions as `answerCpu` does. */
export async function cpuOf(child: ChildProcess): Promise<number> {
  child.send("cpu");
  return messageOf<number>(child);
}

/** Makes this process answer `cpuOf`. */
export function answerCpu(): void {
  process.on("message", (message) => {
    if (message === "cpu") process.send?.(ownCpu());
  });
}
