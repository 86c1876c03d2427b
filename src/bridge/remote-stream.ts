/** @file A live channel as a viewer sees it: each message acknowledged once it was dealt with, resubscribed after a loss. */

import type { ReverieError } from "../core/errors.ts";
import { Link, type LinkOptions } from "./client/link.ts";
import type { WireMap } from "./codec.ts";
import { decodeFrames, type FrameCodec } from "./frames.ts";

/** Options of a subscription. */
export interface RemoteStreamOptions extends LinkOptions {
  readonly channel: string;
  /** How frames travel. Default raw. */
  readonly frames?: FrameCodec;
  /** Messages that may be on their way; more keep the line busier and let a slow viewer fall further behind. Default 2. */
  readonly credits?: number;
  /** Called with one message at a time; the next is asked for when it resolves. */
  readonly onMessage: (message: WireMap) => void | Promise<void>;
  readonly onError?: (error: ReverieError | Error) => void;
}

/** An open subscription. */
export interface RemoteStream {
  readonly connected: boolean;
  close(): void;
}

/** Subscribe to a channel of a stream server. @throws TIMEOUT or UNAUTHORIZED */
export async function openRemoteStream(options: RemoteStreamOptions): Promise<RemoteStream> {
  const { channel, frames = "raw", credits = 2 } = options;
  const report = options.onError ?? (() => undefined);
  let last = Promise.resolve();
  let [opened, refused] = [(): void => undefined, (_error: Error): void => undefined];
  const ready = new Promise<void>((resolve, reject) => ([opened, refused] = [resolve, reject]));
  const link: Link = new Link(options, {
    opened: () => {
      link.send({ op: "subscribe", channel, frames, credits });
      opened();
    },
    message: (message) => {
      if (message.op === "error") report(new Error(`stream server: ${message.message as string}`));
      if (message.op !== "stream") return;
      last = last.then(() => deliver(options, message)).catch((error: Error) => report(error));
      void last.then(() => link.send({ op: "ack", channel }));
    },
    text: () => undefined,
    heartbeat: () => ({ op: "hb" }),
    lost: report,
    ended: (error) => {
      refused(error);
      report(error);
    },
  });
  link.start();
  await ready;
  return {
    get connected() {
      return link.open;
    },
    close: () => link.close(),
  };
}

async function deliver({ frames = "raw", onMessage }: RemoteStreamOptions, message: WireMap): Promise<void> {
  await onMessage(frames === "raw" ? message : ((await decodeFrames(message)) as WireMap));
}
