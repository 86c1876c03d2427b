/** @file The process in which a run's worlds live for the dashboard, so that models never hold up the page: world-host.ts play|watch <run>. */

import { playRun, watchRun } from "../experiment/runner.ts";
import { encodeMoment } from "./frame.ts";
import type { Show } from "./world-loop.ts";
import { playShow, runShow, watchShow } from "./world-loop.ts";

/** What the dashboard sends to a host. */
export interface HostKey {
  readonly key: string;
  readonly down: boolean;
}

/** What a host sends: frames, or why there are none. */
export type HostMessage = { readonly frame: Uint8Array } | { readonly error: string };

async function open(mode: string, run: string): Promise<Show> {
  return mode === "play" ? playShow(await playRun(run)) : watchShow(await watchRun(run));
}

/** Serve one world over the process's channel until that closes. */
async function host(mode: string, run: string): Promise<void> {
  const stop = new AbortController();
  const send = (message: HostMessage): void => void (process.connected && process.send?.(message));
  process.on("disconnect", () => stop.abort());
  try {
    const show = await open(mode, run);
    process.on("message", ({ key, down }: HostKey) => show.key(key, down));
    await runShow(show, (moment) => send({ frame: encodeMoment(moment) }), stop.signal);
  } catch (error) {
    send({ error: (error as Error).message });
    process.exitCode = 1;
  }
  if (process.connected) process.disconnect();
}

await host(process.argv[2], process.argv[3]);
