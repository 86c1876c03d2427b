/** @file Trajectories from actors to a learner: numbered and hashed, counted once each, and none older than a bound. */

import { createHash, randomUUID } from "node:crypto";
import { fail } from "../../core/errors.ts";
import type { Delivery, Queue } from "./hub.ts";
import type { LedgerRecord } from "./ledger.ts";
import { Ledger } from "./ledger.ts";

/** One trajectory as it came. */
export interface Trajectory {
  /** The actor's session: a restarted actor is another producer. */
  readonly producer: string;
  readonly number: number;
  /** Version of the weights that acted. */
  readonly version: number;
  readonly payload: Uint8Array;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function pack({ payload, ...facts }: Trajectory): Uint8Array {
  const head = Buffer.from(`${JSON.stringify({ ...facts, sha256: sha256(payload) })}\n`);
  return Buffer.concat([head, payload]);
}

function unpack(id: string, data: Uint8Array): Trajectory {
  const end = data.indexOf(10);
  const { sha256: hash, ...facts } = JSON.parse(Buffer.from(data.subarray(0, end)).toString("utf8")) as Omit<
    Trajectory,
    "payload"
  > & { sha256: string };
  const payload = data.subarray(end + 1);
  const got = sha256(payload);
  if (got !== hash)
    fail({ code: "PROTOCOL", what: `trajectory ${id} is damaged`, expected: `sha256 ${hash}`, got });
  return { ...facts, payload };
}

/** An actor's end: numbers its trajectories and waits where the learner is behind. */
export class TrajectoryWriter {
  readonly producer = randomUUID();
  readonly #queue: Queue;
  #number = 0;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** Resolves when the hub has it. @throws TOO_LARGE, and the signal's reason */
  async put(version: number, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { producer } = this;
    const number = this.#number;
    await this.#queue.put(`${producer}/${number}`, pack({ producer, number, version, payload }), signal);
    this.#number++;
  }
}

/** What a reader has seen since it was made. */
export interface TrajectoryCounts {
  /** Handed to the learner. */
  counted: number;
  /** Came again after they were counted, and were not. */
  duplicates: number;
  /** Made by weights that were too old, and dropped. */
  stale: number;
}

/** How many requests for trajectories are on the way at once. */
const parallel = 4;
const waitMs = 1000;

/**
 * The learner's end. A trajectory is counted when its number is in the ledger, the ledger is saved with the learner's
 * checkpoint, and only then `settle` takes it out of the queue: whatever is killed in between, it is counted once.
 */
export class TrajectoryReader {
  readonly counts: TrajectoryCounts = { counted: 0, duplicates: 0, stale: 0 };
  readonly #queue: Queue;
  readonly #maxStaleness: number;
  readonly #ready: { delivery: Delivery; trajectory: Trajectory }[] = [];
  /** Counted, but perhaps in no checkpoint yet: the latest delivery of each, by id. */
  #unsettled = new Map<string, Delivery>();
  #ledger = new Ledger();
  readonly #beat: NodeJS.Timeout;

  constructor(queue: Queue, options: { readonly maxStaleness: number; readonly leaseSeconds: number }) {
    this.#queue = queue;
    this.#maxStaleness = options.maxStaleness;
    const held = (): Delivery[] => [
      ...this.#unsettled.values(),
      ...this.#ready.map(({ delivery }) => delivery),
    ];
    this.#beat = setInterval(() => held().forEach((each) => each.keep()), options.leaseSeconds * 250);
  }

  /** For the checkpoint. */
  record(): LedgerRecord {
    return this.#ledger.record();
  }

  /** From the checkpoint. */
  load(record: LedgerRecord): void {
    this.#ledger = new Ledger(record);
  }

  /**
   * `count` trajectories that were not counted before and whose weights are at most `maxStaleness` versions behind `version`.
   * @throws PROTOCOL for a damaged one, which is then out of the queue; the signal's reason
   */
  async take(count: number, version: number, signal: AbortSignal): Promise<Trajectory[]> {
    const taken: Trajectory[] = [];
    while (taken.length < count) {
      signal.throwIfAborted();
      if (this.#ready.length === 0) await this.#fetch(count - taken.length, signal);
      const next = this.#ready.shift();
      if (next !== undefined && (await this.#count(next.delivery, next.trajectory, version)))
        taken.push(next.trajectory);
    }
    this.counts.counted += count;
    return taken;
  }

  /**
   * Count it, or see that it must not be. What is in a checkpoint already, or will never be wanted, leaves the queue at
   * once: held until the next checkpoint it could fill the queue, so that the next checkpoint never comes.
   */
  async #count(delivery: Delivery, trajectory: Trajectory, version: number): Promise<boolean> {
    const { producer, number, version: acted } = trajectory;
    if (!this.#ledger.count(producer, number)) {
      this.counts.duplicates++;
      if (this.#unsettled.has(delivery.id)) this.#unsettled.set(delivery.id, delivery);
      else await delivery.done();
      return false;
    }
    if (version - acted > this.#maxStaleness) {
      this.counts.stale++;
      await delivery.done();
      return false;
    }
    this.#unsettled.set(delivery.id, delivery);
    return true;
  }

  async #fetch(count: number, signal: AbortSignal): Promise<void> {
    const one = async (): Promise<void> => {
      const delivery = await this.#queue.take(waitMs);
      if (delivery === undefined) return;
      try {
        this.#ready.push({ delivery, trajectory: unpack(delivery.id, delivery.data) });
      } catch (error) {
        // It would be no better if it came again, and stop the learner each time.
        await delivery.done();
        throw error;
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, count) }, one));
    signal.throwIfAborted();
  }

  /** The ledger with everything taken so far is in a checkpoint now: the hub may forget it. */
  async settle(): Promise<void> {
    const settled = this.#unsettled;
    this.#unsettled = new Map();
    await Promise.all([...settled.values()].map((delivery) => delivery.done()));
  }

  /** Stop keeping what is held; it goes back to the queue when its lease is over, or at once where it was never looked at. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    await Promise.all(this.#ready.splice(0).map(({ delivery }) => delivery.giveBack()));
  }
}
