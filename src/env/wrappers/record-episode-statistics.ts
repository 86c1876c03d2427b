/** @file RecordEpisodeStatistics: return, length and duration of every episode, in its last step's info and in queues. */

import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import type { InfoColumn, ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `RecordEpisodeStatistics`. */
export interface EpisodeStatisticsOptions {
  /** How many of the last episodes the queues keep, default 100. */
  readonly bufferLength?: number;
  /** Name of the info column, default "episode". */
  readonly statsKey?: string;
  /** Milliseconds since any origin; default `performance.now`. */
  readonly clock?: () => number;
}

interface Saved {
  readonly returnQueue: number[];
  readonly lengthQueue: number[];
  readonly timeQueue: number[];
  readonly episodeCount: number;
}

function push(queue: number[], value: number, limit: number): void {
  queue.push(value);
  if (queue.length > limit) queue.shift();
}

/** What the wrapper can be asked through `getWrapperAttr`. */
class RecordEpisodeStatisticsWrapper extends VectorWrapper {
  /** Returns of the last episodes, oldest first. */
  returnQueue: number[] = [];
  lengthQueue: number[] = [];
  /** Durations in seconds. */
  timeQueue: number[] = [];
  episodeCount = 0;
  readonly episodeReturns: Float64Array;
  readonly episodeLengths: Int32Array;
  readonly #started: Float64Array;
  readonly #numbers: { r: NdArray<"float64">; l: NdArray<"int32">; t: NdArray<"float64"> };
  readonly #column: InfoColumn;
  readonly #bufferLength: number;
  readonly #key: string;
  readonly #clock: () => number;

  constructor(env: AnyVectorEnv, options: EpisodeStatisticsOptions) {
    super(env);
    this.episodeReturns = new Float64Array(env.numEnvs);
    this.episodeLengths = new Int32Array(env.numEnvs);
    this.#started = new Float64Array(env.numEnvs);
    const n = env.numEnvs;
    this.#numbers = { r: zeros("float64", [n]), l: zeros("int32", [n]), t: zeros("float64", [n]) };
    const mask = zeros("bool", [n]);
    const columns = Object.entries(this.#numbers).map(([name, values]) => [name, { values, mask }] as const);
    this.#column = { values: Object.fromEntries(columns), mask };
    this.#bufferLength = options.bufferLength ?? 100;
    this.#key = options.statsKey ?? "episode";
    this.#clock = options.clock ?? (() => performance.now());
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    const mask = options?.mask?.data;
    const now = this.#clock();
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      this.episodeReturns[i] = 0;
      this.episodeLengths[i] = 0;
      this.#started[i] = now;
    }
    return batch;
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const ended = this.#column.mask.data;
    let ends = 0;
    for (let i = 0; i < this.numEnvs; i++) {
      ended[i] = 0;
      if (mask !== undefined && mask.data[i] === 0) continue;
      this.episodeReturns[i] += batch.rewards.data[i];
      this.episodeLengths[i] += 1;
      ended[i] = batch.terminations.data[i] | batch.truncations.data[i];
      ends += ended[i];
    }
    if (ends === 0) return batch;
    this.#tell(ended);
    const out = this.relay(batch);
    out.infos = { ...batch.infos, [this.#key]: this.#column };
    return out;
  }

  /** Fill the column for the rows that ended; the others are 0, as in Gymnasium, and after a restore too. */
  #tell(ended: Uint8Array): void {
    const { r, l, t } = this.#numbers;
    const now = this.#clock();
    for (let i = 0; i < this.numEnvs; i++) {
      if (ended[i] === 0) {
        r.data[i] = l.data[i] = t.data[i] = 0;
        continue;
      }
      r.data[i] = this.episodeReturns[i];
      l.data[i] = this.episodeLengths[i];
      t.data[i] = Math.round((now - this.#started[i]) * 1e3) / 1e6;
      this.#remember(r.data[i], l.data[i], t.data[i]);
    }
  }

  #remember(episodeReturn: number, length: number, seconds: number): void {
    this.episodeCount += 1;
    push(this.returnQueue, episodeReturn, this.#bufferLength);
    push(this.lengthQueue, length, this.#bufferLength);
    push(this.timeQueue, seconds, this.#bufferLength);
  }

  override state(): Saved {
    const { returnQueue, lengthQueue, timeQueue, episodeCount } = this;
    return { returnQueue, lengthQueue, timeQueue, episodeCount };
  }

  override load(state: unknown): void {
    Object.assign(this, state as Saved);
  }

  protected override memory(): unknown {
    return { saved: this.state(), returns: this.episodeReturns, lengths: this.episodeLengths };
  }

  protected override recall(memory: unknown): void {
    const { saved, returns, lengths } = memory as {
      saved: Saved;
      returns: Float64Array;
      lengths: Int32Array;
    };
    this.load(saved);
    this.episodeReturns.set(returns);
    this.episodeLengths.set(lengths);
    this.#started.fill(this.#clock());
  }
}

/**
 * Add `episode: { r, l, t }` (return, length, seconds) to the info of an episode's last step; under same-step that info
 * stands in `finalInfos`. `getWrapperAttr(env, "returnQueue")`, `"lengthQueue"`, `"timeQueue"` hold the last episodes,
 * `"episodeCount"` their number so far. @source Gymnasium 1.4 `RecordEpisodeStatistics`
 */
export function RecordEpisodeStatistics<E extends AnyEnv>(
  env: E,
  options: EpisodeStatisticsOptions = {},
): Same<E> {
  return lift(env, (inner) => new RecordEpisodeStatisticsWrapper(inner, options));
}
