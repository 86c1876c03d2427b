/** @file Ending a server's process politely: SIGTERM and SIGINT stop it once, a second one kills as usual. */

/** Call `stop` on the first SIGTERM or SIGINT. @returns a function that takes the handlers off again */
export function stopOnSignals(stop: () => Promise<void>): () => void {
  const onSignal = (): void => {
    forget();
    void stop();
  };
  const forget = (): void => {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  };
  process.once("SIGTERM", onSignal);
  process.once("SIGINT", onSignal);
  return forget;
}
