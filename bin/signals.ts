/** Resolves at the first SIGINT or SIGTERM, or when the parent process is gone; a second signal ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    // a child with an open channel lives as long as its parent; that it closes the channel itself is no signal
    if (process.send !== undefined) process.on("disconnect", resolve);
    if (process.send !== undefined && !process.connected) resolve();
  });
}
