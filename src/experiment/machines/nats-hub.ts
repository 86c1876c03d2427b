/** @file The hub on a NATS server: JetStream's work queues, key-value buckets and object stores, kept in its files. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { AckPolicy, DiscardPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import type { KV } from "@nats-io/kv";
import { Kvm } from "@nats-io/kv";
import type { ObjectStore } from "@nats-io/obj";
import { Objm } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Delivery, Hub, Objects, Queue, QueueOptions, Records } from "./hub.ts";
import { itemFix, maxObjectBytes, objectFix, requireSize } from "./hub.ts";
import {
  addressOf,
  connectNats,
  isFull,
  isMissing,
  isTaken,
  restartMs,
  steadily,
} from "./nats-connection.ts";

const second = 1_000_000_000;
const rememberSeconds = 600;
/** Headers count as part of a message. */
const headerBytes = 4096;

async function orMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function makeStream(manager: JetStreamManager, name: string, options: QueueOptions): Promise<void> {
  if ((await orMissing(manager.streams.info(name))) === undefined) {
    await manager.streams.add({
      name,
      subjects: [`reverie.${name}`],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_msgs: options.capacity,
      duplicate_window: rememberSeconds * second,
    });
  }
  if ((await orMissing(manager.consumers.info(name, "all"))) !== undefined) return;
  await manager.consumers.add(name, {
    durable_name: "all",
    ack_policy: AckPolicy.Explicit,
    ack_wait: options.leaseSeconds * second,
    max_ack_pending: options.maxHeld,
    max_deliver: -1,
  });
}

/** A look at a queue in which items are neither held nor to be delivered; equal twice, it is no passing moment. */
interface Stranding {
  readonly firstItem: number;
  readonly consumerCreated: string;
}

async function lookForStranded(manager: JetStreamManager, name: string): Promise<Stranding | undefined> {
  const { state } = await manager.streams.info(name);
  const consumer = await manager.consumers.info(name, "all");
  const { num_ack_pending: held, num_pending: waiting, ack_floor: floor, created } = consumer;
  // Whatever the counts say: what is below the floor counts as done, so it will never be delivered.
  const isStranded =
    state.messages > 0 && (state.messages > held + waiting || state.first_seq <= floor.stream_seq);
  return isStranded ? { firstItem: state.first_seq, consumerCreated: created } : undefined;
}

function deliveryOf(message: JsMsg, connection: NatsConnection): Delivery {
  // The client's own ackAck sends nothing when it is called again after a lost answer.
  const { reply } = message as JsMsg & { readonly reply: string };
  return {
    id: message.headers?.get("Nats-Msg-Id") ?? "",
    data: message.data,
    attempt: message.info.deliveryCount,
    async done() {
      await steadily("a finished item", (timeout) => connection.request(reply, "+ACK", { timeout }));
    },
    async giveBack(delayMs) {
      message.nak(delayMs);
      // Where the connection has gone, the lease gives it back, a little later.
      await connection.flush().catch(() => undefined);
    },
    keep: () => message.working(),
  };
}

class NatsQueue implements Queue {
  readonly #name: string;
  readonly #stream: JetStreamClient;
  readonly #consumer: Consumer;
  readonly #maxItemBytes: number;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  #stranding: Stranding | undefined;

  constructor(options: {
    name: string;
    stream: JetStreamClient;
    consumer: Consumer;
    maxItemBytes: number;
    connection: NatsConnection;
    manager: JetStreamManager;
  }) {
    this.#name = options.name;
    this.#stream = options.stream;
    this.#consumer = options.consumer;
    this.#maxItemBytes = options.maxItemBytes;
    this.#connection = options.connection;
    this.#manager = options.manager;
  }

  async put(id: string, data: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    requireSize(`item ${id}`, data.length, this.#maxItemBytes, itemFix);
    for (let waitMs = 10; ; waitMs = Math.min(250, waitMs * 2)) {
      signal?.throwIfAborted();
      try {
        const ack = await steadily(`item ${id}`, (timeout) =>
          this.#stream.publish(`reverie.${this.#name}`, data, { msgID: id, timeout }),
        );
        return !ack.duplicate;
      } catch (error) {
        if (!isFull(error)) throw error;
      }
      await sleep(waitMs);
    }
  }

  async take(waitMs: number): Promise<Delivery | undefined> {
    // Not repeated here: whoever takes asks again anyway, and an answer to the lost request comes back after its lease.
    const until = performance.now() + waitMs;
    try {
      const message = await this.#consumer.next({ expires: Math.max(1000, waitMs) });
      if (message !== null) return deliveryOf(message, this.#connection);
      await this.#freeStranded();
      return undefined;
    } catch {
      const there = await steadily("the queue", () => orMissing(this.#consumer.info()));
      const left = until - performance.now();
      if (left > 0) await sleep(there === undefined ? left : Math.min(200, left));
      return undefined;
    }
  }

  /**
   * A server that was killed (2.9.10 was seen to) may come back without the list of what it had handed out: such items
   * stay in the stream and nobody gets them. A new consumer delivers all that is there, held items too, whose takers
   * count them once all the same.
   */
  async #freeStranded(): Promise<void> {
    const before = this.#stranding;
    const now = await lookForStranded(this.#manager, this.#name);
    this.#stranding = now;
    const lasts = now?.firstItem === before?.firstItem && now?.consumerCreated === before?.consumerCreated;
    if (now === undefined || !lasts) return;
    const { config } = await this.#manager.consumers.info(this.#name, "all");
    await this.#manager.consumers.delete(this.#name, "all");
    await this.#manager.consumers.add(this.#name, config);
    this.#stranding = undefined;
  }
}

class NatsRecords implements Records {
  readonly #bucket: KV;

  constructor(bucket: KV) {
    this.#bucket = bucket;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const entry = await steadily(`record ${key}`, () => this.#bucket.get(key));
    return entry?.operation === "PUT" ? entry.value : undefined;
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    await steadily(`record ${key}`, () => this.#bucket.put(key, value));
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    try {
      await steadily(`record ${key}`, () => this.#bucket.create(key, value));
      return true;
    } catch (error) {
      if (!isTaken(error)) throw error;
      // The first answer may have been lost: then what is there is ours.
      const present = await this.get(key);
      return present !== undefined && Buffer.compare(present, value) === 0;
    }
  }

  async remove(key: string): Promise<void> {
    await steadily(`record ${key}`, () => this.#bucket.delete(key));
  }

  async keys(): Promise<string[]> {
    return steadily("records", async () => {
      const keys: string[] = [];
      for await (const key of await this.#bucket.keys()) keys.push(key);
      return keys;
    });
  }

  async *watch(signal: AbortSignal): AsyncIterable<readonly [string, Uint8Array]> {
    let seen = 0;
    while (!signal.aborted) {
      const entries = await steadily("records", () => this.#bucket.watch());
      const stop = (): void => entries.stop();
      signal.addEventListener("abort", stop, { once: true });
      for await (const { operation, key, value, revision } of entries) {
        if (signal.aborted) return;
        if (revision <= seen) continue;
        seen = revision;
        if (operation === "PUT") yield [key, value];
      }
      signal.removeEventListener("abort", stop);
    }
  }
}

class NatsObjects implements Objects {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    requireSize(`object ${name}`, bytes.length, maxObjectBytes, objectFix);
    await steadily(`object ${name}`, () => this.#store.putBlob({ name }, bytes));
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return (await steadily(`object ${name}`, () => this.#store.getBlob(name))) ?? undefined;
  }

  async has(name: string): Promise<boolean> {
    const info = await steadily(`object ${name}`, () => this.#store.info(name));
    return info !== null && !info.deleted;
  }

  async remove(name: string): Promise<void> {
    await steadily(`object ${name}`, () => this.#store.delete(name));
  }
}

/**
 * Open the hub on the server at `url`: `nats://[TOKEN@]host:4222`, or `tls://…`.
 * @throws INVALID_ARGUMENT, UNAUTHORIZED, SERVER_UNREACHABLE, NOT_SUPPORTED when the server has no JetStream
 */
export async function openNatsHub(url: string): Promise<Hub> {
  const connection = await connectNats(url);
  const open = () => jetstreamManager(connection, { timeout: 5000 });
  const manager = await steadily("JetStream", open, { unequippedMs: restartMs }).catch(
    async (error: unknown) => {
      await connection.close();
      throw error;
    },
  );
  const stream = manager.jetstream();
  const maxItemBytes = (connection.info?.max_payload ?? 2 ** 20) - headerBytes;
  return {
    address: addressOf(url),
    maxItemBytes,
    async queue(name, options) {
      await steadily(`queue ${name}`, () => makeStream(manager, name, options));
      const consumer = await steadily(`queue ${name}`, () => stream.consumers.get(name, "all"));
      return new NatsQueue({ name, stream, consumer, maxItemBytes, connection, manager });
    },
    records: async (name) =>
      new NatsRecords(await steadily(`records ${name}`, () => new Kvm(connection).create(name))),
    objects: async (name) =>
      new NatsObjects(await steadily(`objects ${name}`, () => new Objm(connection).create(name))),
    async forget(name) {
      for (const full of [name, `KV_${name}`, `OBJ_${name}`])
        await steadily(`deleting ${name}`, () => orMissing(manager.streams.delete(full)));
    },
    close: () => connection.close(),
  };
}
