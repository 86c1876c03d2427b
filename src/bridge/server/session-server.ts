/** @file What servers with sessions share around their listener: sweeping, draining, signals, closing. */

import type { SessionTable } from "../session.ts";
import type { Listener } from "./listener.ts";
import { stopOnSignals } from "./signals.ts";

/** A running server. */
export interface SessionServer {
  readonly url: string;
  readonly port: number;
  readonly listener: Listener;
  /** Finish what is under way, say goodbye, stop. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

const sweepMs = 5000;

/** Let a listener with sessions run; `afterwards` is called once it has stopped. */
export function runSessionServer(
  listener: Listener,
  sessions: Pick<SessionTable<never>, "sweep" | "clear">,
  options: { readonly handleSignals?: boolean; readonly afterwards?: () => Promise<void> },
): SessionServer {
  const sweeper = setInterval(() => sessions.sweep(), sweepMs).unref();
  const stop = async (ending: Promise<void>): Promise<void> => {
    forget();
    await ending;
    clearInterval(sweeper);
    sessions.clear();
    await options.afterwards?.();
  };
  const server: SessionServer = {
    url: listener.url,
    port: listener.port,
    listener,
    drain: () => stop(listener.drain()),
    close: () => stop(listener.close()),
  };
  const forget = options.handleSignals === true ? stopOnSignals(() => server.drain()) : () => undefined;
  return server;
}
