/** @file The hub on a NATS server: JetStream's work queues, key-value buckets and object stores, kept in its files. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { AckPolicy, DiscardPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import type { KV } from "@nats-io/kv";
import { Kvm } from "@nats-io/kv";
import type { ObjectStore } from "@nats-io/obj";
import { Objm } from "@nats-io/obj";
import type { Delivery, Hub, Objects, Queue, QueueOptions, Records } from "./hub.ts";
import { itemFix, maxObjectBytes, objectFix, requireSize } from "./hub.ts";
import { addressOf, connectNats, isFull, isMissing, isTaken, steadily } from "./nats-connection.ts";

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

function deliveryOf(message: JsMsg, flush: () => Promise<void>): Delivery {
  return {
    id: message.headers?.get("Nats-Msg-Id") ?? "",
    data: message.data,
    attempt: message.info.deliveryCount,
    done: () =>
      steadily("a finished item", async (timeout) => {
        await message.ackAck({ timeout });
      }),
    async giveBack(delayMs) {
      message.nak(delayMs);
      await flush();
    },
    keep: () => message.working(),
  };
}

class NatsQueue implements Queue {
  readonly #name: string;
  readonly #stream: JetStreamClient;
  readonly #consumer: Consumer;
  readonly #maxItemBytes: number;
  readonly #flush: () => Promise<void>;

  constructor(options: {
    name: string;
    stream: JetStreamClient;
    consumer: Consumer;
    maxItemBytes: number;
    flush: () => Promise<void>;
  }) {
    this.#name = options.name;
    this.#stream = options.stream;
    this.#consumer = options.consumer;
    this.#maxItemBytes = options.maxItemBytes;
    this.#flush = options.flush;
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
      return message === null ? undefined : deliveryOf(message, this.#flush);
    } catch {
      const there = await steadily("the queue", () => orMissing(this.#consumer.info()));
      const left = until - performance.now();
      if (left > 0) await sleep(there === undefined ? left : Math.min(200, left));
      return undefined;
    }
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
  const manager = await steadily("JetStream", () => jetstreamManager(connection, { timeout: 5000 })).catch(
    async (error: unknown) => {
      await connection.close();
      throw error;
    },
  );
  const stream = manager.jetstream();
  const flush = (): Promise<void> => connection.flush();
  const maxItemBytes = (connection.info?.max_payload ?? 2 ** 20) - headerBytes;
  return {
    address: addressOf(url),
    maxItemBytes,
    async queue(name, options) {
      await steadily(`queue ${name}`, () => makeStream(manager, name, options));
      const consumer = await steadily(`queue ${name}`, () => stream.consumers.get(name, "all"));
      return new NatsQueue({ name, stream, consumer, maxItemBytes, flush });
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
