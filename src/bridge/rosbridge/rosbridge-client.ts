/** @file A client of rosbridge v2, for ROS 1 and 2: topics and services over one socket that comes back by itself. */

import { WebSocket } from "ws";

import { ReverieError, fail } from "../../core/errors.ts";
import { defaultLimits } from "../limits.ts";
import { makeBackoff } from "../safety/backoff.ts";
import type { Clock } from "../safety/device.ts";
import { decodeCbor } from "./cbor.ts";
import { textOf } from "./paths.ts";

/** A topic to listen to. */
export interface Subscription {
  readonly topic: string;
  readonly type: string;
  /**
   * "cbor" moves images without base64, but rosbridge delivers nothing at all for messages that hold lists of strings
   * (JointState): those need "none".
   */
  readonly encoding: "none" | "cbor";
  /** At most one message in this time. Without it rosbridge queues what the socket cannot take. */
  readonly throttleMs: number;
  readonly message: (message: unknown) => void;
}

/** Settings of a client. */
export interface RosbridgeOptions {
  readonly url: string;
  readonly ros: 1 | 2;
  /** Sent as `Authorization: Bearer`, for a proxy in front of rosbridge, whose own check fails open. */
  readonly token?: string;
  /** Silence after which the connection counts as lost; a ping asks for a sign of life before. */
  readonly silenceMs: number;
}

/** What a client tells its owner. */
export interface RosbridgeEvents {
  open(): void;
  down(reason: string): void;
  /** Something that rosbridge complained about, or that could not be read. */
  warned(message: string): void;
}

interface Call {
  readonly resolve: (values: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** Bytes that may wait in the socket before messages are dropped. */
const maxBufferedBytes = 16 * 1024;
const maxFragments = 4096;

/** Write a type's name as this version of ROS does: `pkg/Type` in 1, `pkg/msg/Type` in 2. */
export function typeName(type: string, ros: 1 | 2, kind: "msg" | "srv" = "msg"): string {
  const parts = type.split("/");
  const short = [parts[0], parts[parts.length - 1]];
  return ros === 1 ? short.join("/") : `${short[0]}/${kind}/${short[1]}`;
}

/** Seconds and nanoseconds under the names of this version of ROS. */
export function rosTime(epochMs: number, ros: 1 | 2): Record<string, number> {
  const seconds = Math.floor(epochMs / 1000);
  const nanoseconds = Math.round((epochMs - seconds * 1000) * 1e6);
  return ros === 1 ? { secs: seconds, nsecs: nanoseconds } : { sec: seconds, nanosec: nanoseconds };
}

/** One connection to a rosbridge server. */
export class RosbridgeClient {
  private readonly options: RosbridgeOptions;
  private readonly events: RosbridgeEvents;
  private readonly clock: Clock;
  private readonly backoff = makeBackoff({ firstMs: 250, mostMs: 10_000 });
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly advertised = new Map<string, string>();
  private readonly calls = new Map<string, Call>();
  private readonly fragments = new Map<string, string[]>();
  private socket: WebSocket | undefined;
  private heardMs = 0;
  private cancel: () => void = () => undefined;
  private ids = 0;
  private closed = false;
  private wasOpen = false;

  constructor(options: RosbridgeOptions, events: RosbridgeEvents, clock: Clock) {
    this.options = options;
    this.events = events;
    this.clock = clock;
  }

  /** Begin to connect, and go on trying until `close`. */
  open(): void {
    const { url, token } = this.options;
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const maxPayload = defaultLimits.maxBytes;
    const socket = new WebSocket(url, {
      headers,
      maxPayload,
      perMessageDeflate: false,
      handshakeTimeout: 5000,
    });
    this.socket = socket;
    socket.on("open", () => this.opened(socket));
    socket.on("message", (data: Buffer, binary: boolean) => this.receive(data, binary));
    socket.on("pong", () => (this.heardMs = this.clock.now()));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => this.lost());
  }

  /** Listen to a topic, now and after every reconnection. */
  subscribe(subscription: Subscription): void {
    this.subscriptions.set(subscription.topic, subscription);
    if (this.connected) this.sendSubscription(subscription);
  }

  /** Announce a topic before publishing to it: rosbridge silently loses what is published to an unknown one. */
  advertise(topic: string, type: string): void {
    this.advertised.set(topic, type);
    if (this.connected) this.sendAdvertisement(topic, type);
  }

  /** Publish; dropped, never queued, when the socket cannot take it now. Returns whether it was sent. */
  publish(topic: string, message: Record<string, unknown>): boolean {
    if (!this.advertised.has(topic))
      fail({ code: "INVALID_ARGUMENT", what: `topic ${topic} was not advertised` });
    return this.send({ op: "publish", topic, msg: message });
  }

  /** Call a service. rosbridge may never answer: the time limit is our own. @throws TIMEOUT, CONNECTION_LOST, PROTOCOL */
  call(service: string, args: Record<string, unknown> = {}, timeoutMs = 5000): Promise<unknown> {
    const id = `call:${++this.ids}`;
    return new Promise((resolve, reject) => {
      const cancel = this.clock.at(this.clock.now() + timeoutMs, () => {
        this.calls.delete(id);
        reject(
          new ReverieError({ code: "TIMEOUT", what: `service ${service} did not answer in ${timeoutMs} ms` }),
        );
      });
      this.calls.set(id, { resolve, reject, cancel });
      if (!this.send({ op: "call_service", id, service, args })) this.failCalls();
    });
  }

  /** Say goodbye to what was announced, and close. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancel();
    const { socket } = this;
    this.failCalls();
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    for (const topic of this.advertised.keys()) this.send({ op: "unadvertise", topic });
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    if (this.connected) socket.close(1000);
    else socket.terminate();
    const stop = this.clock.at(this.clock.now() + 250, () => socket.terminate());
    await ended;
    stop();
  }

  private get connected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  private opened(socket: WebSocket): void {
    this.backoff.reset();
    this.wasOpen = true;
    this.heardMs = this.clock.now();
    for (const [topic, type] of this.advertised) this.sendAdvertisement(topic, type);
    for (const subscription of this.subscriptions.values()) this.sendSubscription(subscription);
    this.watch(socket);
    this.events.open();
  }

  private watch(socket: WebSocket): void {
    this.cancel();
    const { silenceMs } = this.options;
    const silentMs = this.clock.now() - this.heardMs;
    if (silentMs > silenceMs) return socket.terminate();
    if (silentMs > silenceMs / 3) socket.ping();
    this.cancel = this.clock.at(this.clock.now() + silenceMs / 3, () => this.watch(socket));
  }

  private lost(): void {
    this.cancel();
    this.fragments.clear();
    this.failCalls();
    if (this.wasOpen) this.events.down("the connection to rosbridge closed");
    this.wasOpen = false;
    if (!this.closed) this.cancel = this.clock.at(this.clock.now() + this.backoff.next(), () => this.open());
  }

  private failCalls(): void {
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const { reject, cancel } of calls) {
      cancel();
      reject(new ReverieError({ code: "CONNECTION_LOST", what: "no connection to rosbridge" }));
    }
  }

  private send(message: Record<string, unknown>): boolean {
    const { socket } = this;
    if (socket === undefined || !this.connected || socket.bufferedAmount > maxBufferedBytes) return false;
    socket.send(JSON.stringify(message));
    return true;
  }

  private sendAdvertisement(topic: string, type: string): void {
    this.send({
      op: "advertise",
      id: `advertise:${topic}`,
      topic,
      type: typeName(type, this.options.ros),
      queue_size: 1,
    });
  }

  private sendSubscription({ topic, type, encoding, throttleMs }: Subscription): void {
    this.send({
      op: "subscribe",
      id: `subscribe:${topic}`,
      topic,
      type: typeName(type, this.options.ros),
      compression: encoding,
      throttle_rate: Math.floor(throttleMs),
      queue_length: 1,
    });
  }

  private receive(data: Buffer, binary: boolean): void {
    this.heardMs = this.clock.now();
    try {
      this.take(
        (binary ? decodeCbor(data) : JSON.parse(data.toString("utf8"))) as Record<string, unknown> | null,
      );
    } catch (error) {
      this.events.warned(`a message from rosbridge could not be read: ${String(error)}`);
    }
  }

  private take(message: Record<string, unknown> | null): void {
    const { op } = message ?? {};
    if (op === "publish") this.subscriptions.get(message?.topic as string)?.message(message?.msg);
    else if (op === "service_response") this.answered(message as Record<string, unknown>);
    else if (op === "fragment") this.fragment(message as Record<string, unknown>);
    else if (op === "status")
      this.events.warned(`rosbridge: ${textOf(message?.level)}: ${textOf(message?.msg)}`);
  }

  /** On failure `values` is a text and `result` is false. */
  private answered({ id, values, result, service }: Record<string, unknown>): void {
    const call = this.calls.get(id as string);
    this.calls.delete(id as string);
    call?.cancel();
    if (result !== false) return call?.resolve(values);
    call?.reject(
      new ReverieError({
        code: "PROTOCOL",
        what: `service ${textOf(service)} failed`,
        got: textOf(values),
      }),
    );
  }

  /** `total` is a fraction on Python 3, where rosbridge forgets to round the division up. */
  private fragment({ id, data, num, total }: Record<string, unknown>): void {
    const count = Math.ceil(Number(total));
    const place = Number(num);
    const valid = Number.isInteger(place) && place >= 0 && place < count && count <= maxFragments;
    if (typeof data !== "string" || !valid)
      return fail({ code: "PROTOCOL", what: "a fragment that fits nowhere" });
    const key = textOf(id);
    if (place === 0) this.fragments.delete(key);
    const parts = this.fragments.get(key) ?? [];
    parts[place] = data;
    this.fragments.set(key, parts);
    // Of a message whose first parts were lost the rest never completes: it goes when others come.
    if (this.fragments.size > 8) this.fragments.delete(this.fragments.keys().next().value as string);
    if (parts.length !== count || Object.keys(parts).length !== count) return;
    this.fragments.delete(key);
    this.take(JSON.parse(parts.join("")) as Record<string, unknown>);
  }
}
