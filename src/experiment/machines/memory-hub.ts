/** @file The embedded hub: everything in this process, no server; the same rules as on one. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery, Hub, Objects, Queue, QueueOptions, Records } from "./hub.ts";
import { itemFix, maxObjectBytes, objectFix, requireSize } from "./hub.ts";

interface Item {
  readonly id: string;
  readonly data: Uint8Array;
  attempt: number;
}

/** Wakes everybody who waits for a change. */
class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Until it rings, `ms` pass, or the signal is aborted; never throws. */
  async heard(ms?: number, signal?: AbortSignal): Promise<void> {
    const rung = new Promise<void>((resolve) => void this.#waiting.push(resolve));
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    // 2^31 - 1 ms is the longest timer there is.
    const timer = sleep(ms ?? 2 ** 31 - 1, undefined, { signal: either }).catch(() => undefined);
    await Promise.race([rung, timer]);
    stop.abort();
  }
}

// Not slice: a Buffer's is a view.
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

const rememberMs = 600_000;

class MemoryQueue implements Queue {
  readonly #options: QueueOptions;
  readonly #maxItemBytes: number;
  readonly #waiting: Item[] = [];
  readonly #held = new Map<Item, NodeJS.Timeout>();
  readonly #known = new Map<string, number>();
  readonly #bell = new Bell();

  constructor(options: QueueOptions, maxItemBytes: number) {
    this.#options = options;
    this.#maxItemBytes = maxItemBytes;
  }

  async put(id: string, data: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    requireSize(`item ${id}`, data.length, this.#maxItemBytes, itemFix);
    for (;;) {
      signal?.throwIfAborted();
      this.#dropOld();
      if (this.#known.has(id)) return false;
      if (this.#waiting.length + this.#held.size < this.#options.capacity) break;
      await this.#bell.heard(undefined, signal);
    }
    this.#known.set(id, Date.now());
    this.#waiting.push({ id, data: copyOf(data), attempt: 0 });
    this.#bell.ring();
    return true;
  }

  /** The map is in the order of putting, so the old ones come first. */
  #dropOld(): void {
    for (const [id, at] of this.#known) {
      if (Date.now() - at < rememberMs) return;
      this.#known.delete(id);
    }
  }

  async take(waitMs: number): Promise<Delivery | undefined> {
    const until = performance.now() + waitMs;
    for (;;) {
      const free = this.#held.size < this.#options.maxHeld;
      const item = free ? this.#waiting.shift() : undefined;
      if (item !== undefined) return this.#deliver(item);
      const left = until - performance.now();
      if (left <= 0) return undefined;
      await this.#bell.heard(left);
    }
  }

  #lease(item: Item): void {
    clearTimeout(this.#held.get(item));
    const lost = setTimeout(() => this.#back(item), this.#options.leaseSeconds * 1000);
    this.#held.set(item, lost.unref());
  }

  #back(item: Item): void {
    clearTimeout(this.#held.get(item));
    if (!this.#held.delete(item)) return;
    this.#waiting.unshift(item);
    this.#bell.ring();
  }

  #deliver(item: Item): Delivery {
    const attempt = ++item.attempt;
    this.#lease(item);
    return {
      id: item.id,
      data: item.data,
      attempt,
      done: async () => {
        clearTimeout(this.#held.get(item));
        this.#held.delete(item);
        const again = this.#waiting.indexOf(item);
        if (again >= 0) this.#waiting.splice(again, 1);
        this.#bell.ring();
      },
      giveBack: async (delayMs = 0) => {
        if (item.attempt !== attempt || !this.#held.has(item)) return;
        clearTimeout(this.#held.get(item));
        if (delayMs === 0) this.#back(item);
        else this.#held.set(item, setTimeout(() => this.#back(item), delayMs).unref());
      },
      keep: () => {
        if (item.attempt === attempt && this.#held.has(item)) this.#lease(item);
      },
    };
  }
}

class MemoryRecords implements Records {
  readonly #values = new Map<string, { value: Uint8Array; revision: number }>();
  readonly #bell = new Bell();
  #revision = 0;

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#values.get(key)?.value;
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    // Latest last, so that a watcher sees changes in their order.
    this.#values.delete(key);
    this.#values.set(key, { value: copyOf(value), revision: ++this.#revision });
    this.#bell.ring();
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    const present = this.#values.get(key);
    if (present !== undefined) return Buffer.compare(present.value, value) === 0;
    await this.set(key, value);
    return true;
  }

  async remove(key: string): Promise<void> {
    this.#values.delete(key);
  }

  async keys(): Promise<string[]> {
    return [...this.#values.keys()];
  }

  async *watch(signal: AbortSignal): AsyncIterable<readonly [string, Uint8Array]> {
    let seen = 0;
    while (!signal.aborted) {
      const next = [...this.#values].find(([, { revision }]) => revision > seen);
      if (next === undefined) {
        await this.#bell.heard(undefined, signal);
        continue;
      }
      seen = next[1].revision;
      yield [next[0], next[1].value];
    }
  }
}

class MemoryObjects implements Objects {
  readonly #objects = new Map<string, Uint8Array>();

  async put(name: string, bytes: Uint8Array): Promise<void> {
    requireSize(`object ${name}`, bytes.length, maxObjectBytes, objectFix);
    this.#objects.set(name, copyOf(bytes));
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const bytes = this.#objects.get(name);
    return bytes && copyOf(bytes);
  }

  async has(name: string): Promise<boolean> {
    return this.#objects.has(name);
  }

  async remove(name: string): Promise<void> {
    this.#objects.delete(name);
  }
}

/** @param maxItemBytes largest item of a queue, as a server's would be */
export function makeMemoryHub(maxItemBytes: number = 64 * 2 ** 20): Hub {
  const queues = new Map<string, Queue>();
  const records = new Map<string, Records>();
  const objects = new Map<string, Objects>();
  const opened = <T>(all: Map<string, T>, name: string, make: () => T): T => {
    const present = all.get(name) ?? make();
    all.set(name, present);
    return present;
  };
  return {
    address: "this process",
    maxItemBytes,
    queue: async (name, options) => opened(queues, name, () => new MemoryQueue(options, maxItemBytes)),
    records: async (name) => opened(records, name, () => new MemoryRecords()),
    objects: async (name) => opened(objects, name, () => new MemoryObjects()),
    async forget(name) {
      for (const all of [queues, records, objects]) all.delete(name);
    },
    close: async () => undefined,
  };
}
