/** @file The newest weights, from a learner to its actors: an object per version and a record that names the latest. */

import { setTimeout as sleep } from "node:timers/promises";
import { asError } from "../../core/errors.ts";
import type { Objects, Records } from "./hub.ts";
import { packJson, unpackJson } from "./hub.ts";

const key = "weights";
/** Versions whose bytes stay: an actor may be fetching one while the next ones come. */
const kept = 3;

interface Latest {
  readonly version: number;
  readonly finished: boolean;
}

const objectOf = (version: number): string => `weights-${version}`;

/** Where weights are published. */
export interface WeightsPlace {
  readonly records: Records;
  readonly objects: Objects;
}

/** Make `bytes` the newest weights. Publishing a version twice is harmless. */
export async function publishWeights(
  { records, objects }: WeightsPlace,
  version: number,
  bytes: Uint8Array,
): Promise<void> {
  await objects.put(objectOf(version), bytes);
  await records.set(key, packJson({ version, finished: false } satisfies Latest));
  if (version >= kept) await objects.remove(objectOf(version - kept));
}

/** Tell the actors that there is nothing more to do. */
export async function finishWeights({ records }: WeightsPlace, version: number): Promise<void> {
  await records.set(key, packJson({ version, finished: true } satisfies Latest));
}

/** An actor's view: always the newest. Ends by itself when the learner has finished. */
export class WeightsFeed {
  readonly #place: WeightsPlace;
  readonly #finished = new AbortController();
  readonly #stop: AbortSignal;
  #latest: Latest | undefined;
  #bytes: { version: number; bytes: Uint8Array } | undefined;
  #failure: Error | undefined;

  constructor(place: WeightsPlace, signal: AbortSignal) {
    this.#place = place;
    this.#stop = AbortSignal.any([signal, this.#finished.signal]);
    void this.#watch().catch((error: unknown) => {
      this.#failure = asError(error);
      this.#finished.abort();
    });
  }

  /** Aborted when the learner has finished, or the actor was stopped. */
  get signal(): AbortSignal {
    return this.#stop;
  }

  async #watch(): Promise<void> {
    for await (const [name, value] of this.#place.records.watch(this.#stop)) {
      if (name !== key) continue;
      this.#latest = unpackJson<Latest>(value);
      if (this.#latest.finished) this.#finished.abort();
    }
  }

  /** The newest weights, once there are any; undefined when there is nothing more to do. @throws CONNECTION_LOST */
  async newest(): Promise<{ readonly version: number; readonly bytes: Uint8Array } | undefined> {
    while (!this.#stop.aborted) {
      const version = this.#latest?.version;
      if (version !== undefined && this.#bytes?.version === version) return this.#bytes;
      // Undefined where the learner has gone on meanwhile; the next look names a newer one.
      const bytes = version === undefined ? undefined : await this.#place.objects.get(objectOf(version));
      if (version !== undefined && bytes !== undefined) return (this.#bytes = { version, bytes });
      await sleep(20);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }
}
