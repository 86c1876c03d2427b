/** @file A read-only outlet for live viewing: Foxglove's WebSocket protocol, newest message wins per topic. */

import { randomUUID } from "node:crypto";

import { openListener } from "./server/listener.ts";
import type { ListenerOptions } from "./server/listener.ts";
import type { Peer } from "./server/peer.ts";

/** Subprotocols of the protocol, newest first; their core messages are the same. */
const protocols = ["foxglove.sdk.v1", "foxglove.websocket.v1"];

/** Unsent bytes above which a viewer counts as behind. */
const behindBytes = 64 * 1024;

/** How often viewers that were behind are tried again. */
const retryMs = 10;

/** One topic. */
export interface TopicOptions {
  readonly topic: string;
  /** Name of a schema that viewers know (`foxglove.RawImage`), or one's own. */
  readonly schemaName: string;
  /** JSON schema of a message. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/** Publishes on one topic. Cheap while nobody watches: `message` is called only when somebody does. */
export type Publish = (message: () => unknown, atMs?: number) => void;

/** An open outlet. */
export interface FoxgloveOutlet {
  readonly url: string;
  readonly viewers: number;
  topic(options: TopicOptions): Publish;
  close(): Promise<void>;
}

interface Topic {
  readonly id: number;
  readonly options: TopicOptions;
}

class Viewer {
  /** Subscription ids by topic. */
  readonly subscriptions = new Map<number, number>();
  private readonly waiting = new Map<number, Buffer>();
  private readonly peer: Peer;
  private readonly topics: readonly Topic[];

  constructor(peer: Peer, topics: readonly Topic[]) {
    this.peer = peer;
    this.topics = topics;
  }

  offer(topic: number, message: Buffer): void {
    if (this.peer.bufferedBytes <= behindBytes && this.waiting.size === 0) this.peer.send(message);
    else this.waiting.set(topic, message);
  }

  /** Send what waits, smallest first, so that a camera does not starve a joint state. */
  flush(): void {
    for (const [topic, message] of [...this.waiting].toSorted(([, a], [, b]) => a.length - b.length)) {
      if (this.peer.bufferedBytes > behindBytes) return;
      this.waiting.delete(topic);
      this.peer.send(message);
    }
  }

  command(text: string): void {
    const { op, subscriptions = [], subscriptionIds = [] } = parse(text);
    if (op === "subscribe") this.subscribe(subscriptions);
    else if (op === "unsubscribe") this.unsubscribe(subscriptionIds);
    else this.tell({ op: "status", level: 1, message: `"${op.slice(0, 40)}" is not supported: read-only` });
  }

  private subscribe(subscriptions: readonly Subscribe[]): void {
    for (const { id, channelId } of subscriptions) {
      if (this.topics.some((topic) => topic.id === channelId)) this.subscriptions.set(channelId, id);
    }
  }

  private unsubscribe(ids: readonly number[]): void {
    for (const [topic, id] of this.subscriptions) if (ids.includes(id)) this.subscriptions.delete(topic);
  }

  tell(message: Record<string, unknown>): void {
    this.peer.send(JSON.stringify(message));
  }
}

interface Subscribe {
  readonly id: number;
  readonly channelId: number;
}

interface Command {
  op: string;
  subscriptions?: Subscribe[];
  subscriptionIds?: number[];
}

function parse(text: string): Command {
  try {
    const command = JSON.parse(text) as Partial<Command> | null;
    const { op, subscriptions, subscriptionIds } = command ?? {};
    return {
      op: typeof op === "string" ? op : "?",
      subscriptions: Array.isArray(subscriptions) ? subscriptions.filter(isSubscription) : [],
      subscriptionIds: Array.isArray(subscriptionIds) ? subscriptionIds : [],
    };
  } catch {
    return { op: "?" };
  }
}

function isSubscription(value: unknown): value is Subscribe {
  const { id, channelId } = (value ?? {}) as Record<string, unknown>;
  return (
    Number.isInteger(channelId) && Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32
  );
}

/**
 * Listen for Foxglove (the app opens `url` as "Foxglove WebSocket").
 *
 * @throws UNAUTHORIZED for a public address without a token
 * @source https://github.com/foxglove/ws-protocol/blob/main/docs/spec.md
 */
export async function openFoxglove(
  name: string,
  options: Omit<ListenerOptions, "protocols"> = {},
): Promise<FoxgloveOutlet> {
  const sessionId = randomUUID();
  const viewers = new Map<Peer, Viewer>();
  const topics: Topic[] = [];
  const listener = await openListener(
    (peer) => {
      const viewer = new Viewer(peer, topics);
      viewers.set(peer, viewer);
      viewer.tell({ op: "serverInfo", name, capabilities: [], supportedEncodings: ["json"], sessionId });
      if (topics.length > 0) viewer.tell(advertisement(topics));
      return {
        message: () => viewer.tell({ op: "status", level: 1, message: "this outlet is read-only" }),
        text: (text) => viewer.command(text),
        closed: () => viewers.delete(peer),
      };
    },
    { port: 8765, ...options, protocols },
  );
  const timer = setInterval(() => viewers.forEach((viewer) => viewer.flush()), retryMs);
  timer.unref();
  return {
    url: listener.url,
    get viewers() {
      return viewers.size;
    },
    topic(topicOptions) {
      const topic = { id: topics.length + 1, options: topicOptions };
      topics.push(topic);
      viewers.forEach((viewer) => viewer.tell(advertisement([topic])));
      return (message, atMs = Date.now()) => publish([...viewers.values()], topic.id, message, atMs);
    },
    async close() {
      clearInterval(timer);
      await listener.close();
    },
  };
}

function advertisement(topics: readonly Topic[]): Record<string, unknown> {
  const channels = topics.map(({ id, options: { topic, schemaName, schema } }) => ({
    id,
    topic,
    encoding: "json",
    schemaName,
    schemaEncoding: "jsonschema",
    schema: JSON.stringify(schema),
  }));
  return { op: "advertise", channels };
}

function publish(viewers: readonly Viewer[], topic: number, message: () => unknown, atMs: number): void {
  let payload: Buffer | undefined;
  for (const viewer of viewers) {
    const subscription = viewer.subscriptions.get(topic);
    if (subscription === undefined) continue;
    payload ??= Buffer.from(JSON.stringify(message()));
    const head = Buffer.alloc(13);
    head.writeUInt8(1, 0);
    head.writeUInt32LE(subscription, 1);
    head.writeBigUInt64LE(BigInt(Math.round(atMs * 1e6)), 5);
    viewer.offer(topic, Buffer.concat([head, payload]));
  }
}
