/** @file One signal for everything that asks a launcher or a worker to stop: the caller's own, Ctrl-C, a service manager. */

/** Who may stop it. */
export interface StopOptions {
  readonly signal?: AbortSignal;
  /** False leaves SIGINT and SIGTERM to the caller. */
  readonly handleSignals?: boolean;
}

/** The first SIGINT or SIGTERM aborts; the second ends the process as if it were not handled. Release it in the end. */
export function stopSignal(options: StopOptions): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  const names: NodeJS.Signals[] = options.handleSignals === false ? [] : ["SIGINT", "SIGTERM"];
  for (const name of names) process.once(name, abort);
  return {
    signal: controller.signal,
    release() {
      options.signal?.removeEventListener("abort", abort);
      for (const name of names) process.off(name, abort);
    },
  };
}
