/** @file The stream server: frames, states and events of a robot or a run, live, for viewers that may be slow. */

import type { WireMap } from "./codec.ts";
import { withLimits } from "./limits.ts";
import { type Listener, type ListenerOptions, openListener } from "./server/listener.ts";
import { StreamHub } from "./server/streams.ts";

/** Options of a stream server, besides those of every listener. */
export interface StreamServerOptions extends ListenerOptions {
  /** Names of the channels. */
  readonly channels: readonly string[];
}

/** A running stream server. */
export interface StreamServer {
  readonly url: string;
  readonly port: number;
  readonly listener: Listener;
  /** Send to the viewers of a channel; a viewer that is behind gets the newest only. Arrays may be reused afterwards. */
  publish(channel: string, body: WireMap): void;
  /** Viewers of a channel; nothing is encoded while there are none. */
  viewers(channel: string): number;
  close(): Promise<void>;
}

/** Serve live channels. @throws UNAUTHORIZED when the address is public and no token guards it */
export async function openStreamServer(options: StreamServerOptions): Promise<StreamServer> {
  const hub = new StreamHub(withLimits(options.limits), options.channels);
  const listener = await openListener(hub.accept, options);
  return {
    url: listener.url,
    port: listener.port,
    listener,
    publish: (channel, body) => hub.publish(channel, body),
    viewers: (channel) => hub.viewers(channel),
    close: () => listener.close(),
  };
}
