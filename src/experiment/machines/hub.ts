/** @file The contract of a hub: the one place that processes on many machines share, on a server or in this process. */

import { fail } from "../../core/errors.ts";

/** Something taken from a queue: nobody else has it until it is done, given back, or its lease has run out. */
export interface Delivery {
  readonly id: string;
  readonly data: Uint8Array;
  /** 1 at first, more when an earlier taker gave it back or was lost. */
  readonly attempt: number;
  /** Take it out of the queue for good; resolves when the hub has done so. Doing it twice is harmless. */
  done(): Promise<void>;
  /** Let somebody else have it, after `delayMs` if given. */
  giveBack(delayMs?: number): Promise<void>;
  /** Begin the lease anew: the work takes long. */
  keep(): void;
}

/** Bounds of a queue; the first who opens it decides. */
export interface QueueOptions {
  /** Items in the queue, held ones included; whoever puts one more waits. */
  readonly capacity: number;
  /** A taker that is silent for so long has lost what it took. At least 1. */
  readonly leaseSeconds: number;
  /** Items taken and not done, of all takers together; further ones wait. */
  readonly maxHeld: number;
}

/** Work or trajectories: each is delivered at least once, and to one taker at a time. */
export interface Queue {
  /**
   * Put an item in; waits while the queue is full.
   * @returns false when the hub knows the id already (for ten minutes, done items included)
   * @throws TOO_LARGE; what `signal` gives as its reason
   */
  put(id: string, data: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /** The next item; undefined when there is none within `waitMs` (at least 1000), or when the queue was forgotten. */
  take(waitMs: number): Promise<Delivery | undefined>;
}

/** Small values under keys of letters, digits, dashes and dots; the latest counts. */
export interface Records {
  get(key: string): Promise<Uint8Array | undefined>;
  set(key: string, value: Uint8Array): Promise<void>;
  /** @returns false when the key has another value already, which stays */
  create(key: string, value: Uint8Array): Promise<boolean>;
  remove(key: string): Promise<void>;
  keys(): Promise<string[]>;
  /** All values and then each change, deletions left out; values that were overtaken may be missed. Ends with `signal`. */
  watch(signal: AbortSignal): AsyncIterable<readonly [key: string, value: Uint8Array]>;
}

/** Large values under names; whole and checksummed, or absent. */
export interface Objects {
  /** @throws TOO_LARGE */
  put(name: string, bytes: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array | undefined>;
  has(name: string): Promise<boolean>;
  remove(name: string): Promise<void>;
}

/** Names are letters, digits, dashes and underscores; whoever opens a name first makes what is behind it. */
export interface Hub {
  /** Where it is, without secrets. */
  readonly address: string;
  /** Largest item of a queue, in bytes. */
  readonly maxItemBytes: number;
  queue(name: string, options: QueueOptions): Promise<Queue>;
  records(name: string): Promise<Records>;
  objects(name: string): Promise<Objects>;
  /** Delete the queue, the records and the objects of this name, whichever there are. */
  forget(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Largest object, in bytes: it passes through memory as a whole. */
export const maxObjectBytes = 2 ** 30;

/** @throws TOO_LARGE when `bytes` are more than `limit` */
export function requireSize(what: string, bytes: number, limit: number, fix: string): void {
  if (bytes <= limit) return;
  fail({
    code: "TOO_LARGE",
    what: `${what} is too large for the hub`,
    expected: `at most ${limit} bytes`,
    got: `${bytes} bytes`,
    fix,
  });
}

/** Fix of an item that is too large, by where the limit is set. */
export const itemFix =
  "send fewer steps at a time, or raise max_payload in the server's configuration (at most 64MB)";

/** Fix of an object that is too large. */
export const objectFix = "keep such a file out of the run's folder, or split it";

/** JSON as bytes. */
export function packJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** What `packJson` packed. */
export function unpackJson<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as T;
}
