/** @file Live channels for any number of viewers: encoded once, sent by credit, the newest always wins. */

import { copyOf } from "../../core/ndarray.ts";
import { decodeMap, encode, isWireMap, type WireMap, type WireValue } from "../codec.ts";
import { encodeFrames, isFrames, type FrameCodec } from "../frames.ts";
import { describe } from "../inference.ts";
import type { ServerLimits } from "../limits.ts";
import { NewestWins } from "../wire/credits.ts";
import { closeCodes } from "./closing.ts";
import type { Peer, PeerHandler } from "./peer.ts";

/** Unacknowledged messages that a viewer may ask for. */
const maxCredits = 16;
const defaultCredits = 2;
const codecs: readonly unknown[] = ["raw", "jpeg", "png"];

interface Subscription {
  readonly codec: FrameCodec;
  readonly sender: NewestWins<Uint8Array>;
}

/** One named source of messages. */
class Channel {
  readonly name: string;
  readonly subscriptions = new Set<Subscription>();
  private number = 0;
  private readonly encoding = new Map<FrameCodec, { next: WireMap | undefined }>();

  constructor(name: string) {
    this.name = name;
  }

  publish(body: WireMap): void {
    const wanted = new Set([...this.subscriptions].map(({ codec }) => codec));
    if (wanted.size === 0) return;
    const message = { op: "stream", channel: this.name, n: this.number++, ...body };
    for (const codec of wanted) {
      if (codec === "raw") this.offer("raw", encode(message));
      else this.compress(codec, message);
    }
  }

  /** Pictures are compressed off this thread, one at a time; what comes meanwhile waits, the newest only. */
  private compress(codec: FrameCodec, message: WireMap): void {
    const copy = copyFrames(message) as WireMap;
    const busy = this.encoding.get(codec);
    if (busy !== undefined) {
      busy.next = copy;
      return;
    }
    const slot: { next: WireMap | undefined } = { next: copy };
    this.encoding.set(codec, slot);
    void this.drain(codec, slot).finally(() => this.encoding.delete(codec));
  }

  private async drain(codec: FrameCodec, slot: { next: WireMap | undefined }): Promise<void> {
    while (slot.next !== undefined) {
      const message = slot.next;
      slot.next = undefined;
      this.offer(codec, encode(await encodeFrames(message, { codec })));
    }
  }

  private offer(codec: FrameCodec, bytes: Uint8Array): void {
    for (const subscription of this.subscriptions)
      if (subscription.codec === codec) subscription.sender.offer(bytes);
  }
}

/** The channels of one server. Make one, pass `accept` to a listener, and `publish`. */
export class StreamHub {
  private readonly channels = new Map<string, Channel>();
  private readonly limits: ServerLimits;

  constructor(limits: ServerLimits, names: readonly string[]) {
    this.limits = limits;
    for (const name of names) this.channels.set(name, new Channel(name));
  }

  /** Viewers of a channel. */
  viewers(name: string): number {
    return this.channels.get(name)?.subscriptions.size ?? 0;
  }

  /** Send `body` to the viewers of a channel; its arrays may be reused as soon as this returns. */
  publish(name: string, body: WireMap): void {
    this.channels.get(name)?.publish(body);
  }

  /** Serve a viewer. */
  readonly accept = (peer: Peer): PeerHandler => {
    const own = new Map<string, Subscription>();
    peer.send({ reverie: { protocol: 1, kind: "stream", channels: [...this.channels.keys()] } });
    return {
      message: (bytes) => this.operate(peer, own, bytes),
      closed: () => {
        for (const [name, subscription] of own) this.channels.get(name)?.subscriptions.delete(subscription);
      },
    };
  };

  private operate(peer: Peer, own: Map<string, Subscription>, bytes: Uint8Array): void {
    try {
      const message = decodeMap(bytes, { limits: this.limits });
      if (message.op === "hb") peer.send({ op: "hb", t_mono: message.t_mono });
      else if (message.op === "ack") own.get(message.channel as string)?.sender.acknowledge();
      else this.subscribe(peer, own, message);
    } catch (error) {
      const { code, message } = describe(error);
      peer.fault(code, message);
      peer.send({ op: "error", code, message });
      peer.close(closeCodes.invalidPayload, "error in the previous frame");
    }
  }

  private subscribe(
    peer: Peer,
    own: Map<string, Subscription>,
    { op, channel: name, frames, credits }: WireMap,
  ): void {
    const channel = typeof name === "string" ? this.channels.get(name) : undefined;
    if (channel === undefined)
      return peer.send({ op: "error", code: "UNKNOWN_NAME", message: "no such channel" });
    const previous = own.get(channel.name);
    if (previous !== undefined) channel.subscriptions.delete(previous);
    own.delete(channel.name);
    if (op === "unsubscribe") return;
    if (op !== "subscribe") return peer.send({ op: "error", code: "PROTOCOL", message: "unknown op" });
    const wanted = typeof credits === "number" && Number.isInteger(credits) ? credits : defaultCredits;
    const count = Math.min(maxCredits, Math.max(1, wanted));
    const codec = codecs.includes(frames) ? (frames as FrameCodec) : "raw";
    const subscription = { codec, sender: new NewestWins<Uint8Array>((bytes) => peer.send(bytes), count) };
    own.set(channel.name, subscription);
    channel.subscriptions.add(subscription);
  }
}

/** The same message with pictures of its own. */
function copyFrames(value: WireValue): WireValue {
  if (isFrames(value)) return copyOf(value);
  if (Array.isArray(value)) return (value as WireValue[]).map(copyFrames);
  if (!isWireMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyFrames(item)]));
}
