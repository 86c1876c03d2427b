/** @file Counter: a toy environment with known answers, as a single env and as a masked-step primitive. */

import type { NdArray } from "../../src/core/ndarray.ts";
import { float32, zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { Box } from "../../src/core/spaces/box.ts";
import { Discrete } from "../../src/core/spaces/discrete.ts";
import type {
  Env,
  EnvMetadata,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../../src/env/env.ts";

/**
 * Observation [episode, count]: the count starts at 0 and grows by 1 + action per step; reward is the new count.
 * Terminated when the count reaches `limit`, truncated after `maxSteps`.
 */
export interface CounterOptions {
  readonly limit?: number;
  readonly maxSteps?: number;
  /** The start is drawn from {0, …, starts - 1} instead of 0. */
  readonly starts?: number;
}

const space = () => new Box(-1, 1000, [2], "float32");

/** The single environment; its info holds the count on every step and a word on reset. */
export class CounterEnv implements Env<NdArray<"float32">, number> {
  readonly observationSpace = space();
  readonly actionSpace = new Discrete(2);
  readonly metadata: EnvMetadata = { renderModes: [] };
  readonly renderMode = undefined;
  readonly options: Required<CounterOptions>;
  closed = 0;
  episode = 0;
  count = 0;
  steps = 0;
  rng: Rng | undefined;

  constructor(options: CounterOptions = {}) {
    this.options = { limit: 5, maxSteps: 100, starts: 1, ...options };
  }

  reset(options?: { seed?: number }) {
    if (options?.seed !== undefined) this.episode = 0;
    if (options?.seed !== undefined || this.rng === undefined) this.rng = Rng.fromSeed(options?.seed);
    this.episode += 1;
    this.count = this.rng.integers(0, this.options.starts);
    this.steps = 0;
    return { observation: float32([this.episode, this.count]), info: { start: this.count } };
  }

  step(action: number) {
    this.count += 1 + action;
    this.steps += 1;
    const terminated = this.count >= this.options.limit;
    const truncated = !terminated && this.steps >= this.options.maxSteps;
    const observation = float32([this.episode, this.count]);
    return { observation, reward: this.count, terminated, truncated, info: { count: this.count } };
  }

  snapshot(): Snapshot {
    const { episode, count, steps } = this;
    return { kind: "counter", state: { episode, count, steps, rng: this.rng?.state } };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as Pick<CounterEnv, "episode" | "count" | "steps"> & { rng?: Rng["state"] };
    Object.assign(this, state, { rng: state.rng === undefined ? undefined : Rng.fromState(state.rng) });
  }

  close(): void {
    this.closed += 1;
  }
}

/** A fault that a test plants into `CounterVec`. */
export type Fault =
  | "mask ignored by step"
  | "mask ignored by reset"
  | "state survives reset"
  | "observation outside its space"
  | "NaN reward"
  | "keeps the actions"
  | "snapshot by reference"
  | "global generator"
  | "info mask too short"
  | "resets all rows alike";

/** The primitive, always asynchronous, so that every path of the layers above is walked. */
export class CounterVec implements VectorEnv<NdArray<"float32">, NdArray> {
  readonly numEnvs: number;
  readonly singleObservationSpace = space();
  readonly singleActionSpace = new Discrete(2);
  readonly observationSpace;
  readonly actionSpace;
  readonly metadata = { renderModes: [], autoreset: "disabled" as const };
  readonly rows: CounterEnv[];
  readonly fault: Fault | undefined;
  calls: string[] = [];
  closed = 0;
  #observations: NdArray<"float32">;

  constructor(numEnvs: number, options: CounterOptions & { fault?: Fault } = {}) {
    this.numEnvs = numEnvs;
    this.fault = options.fault;
    this.observationSpace = this.singleObservationSpace.batch(numEnvs);
    this.actionSpace = this.singleActionSpace.batch(numEnvs);
    this.rows = Array.from({ length: numEnvs }, () => new CounterEnv(options));
    this.#observations = zeros("float32", [numEnvs, 2]);
  }

  #put(i: number, observation: NdArray<"float32">): void {
    this.#observations.data.set(observation.data, 2 * i);
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<NdArray<"float32">>> {
    const mask = this.fault === "mask ignored by reset" ? undefined : options.mask;
    this.calls.push(`reset ${[...(options.mask?.data ?? [])].join("")}`);
    this.rows.forEach((row, i) => {
      if (mask !== undefined && mask.data[i] === 0) return;
      const seed = typeof options.seed === "object" ? options.seed[i] : options.seed;
      const shift = typeof options.seed === "object" || this.fault === "resets all rows alike" ? 0 : i;
      if (this.fault === "state survives reset" && seed !== undefined) this.#put(i, row.reset().observation);
      else this.#put(i, row.reset(seed === undefined ? undefined : { seed: seed + shift }).observation);
      if (this.fault === "global generator") this.#observations.data[2 * i + 1] += Math.random();
    });
    return { observations: this.#observations, infos: {} };
  }

  async step(actions: NdArray, mask?: NdArray<"bool">): Promise<StepBatch<NdArray<"float32">>> {
    if (this.closed > 0) throw new Error("closed");
    const n = this.numEnvs;
    this.calls.push(`step ${[...(mask?.data ?? [])].join("")}`);
    const batch: StepBatch<NdArray<"float32">> = {
      observations: this.#observations,
      rewards: zeros("float64", [n]),
      terminations: zeros("bool", [n]),
      truncations: zeros("bool", [n]),
      infos: {},
      valid: zeros("bool", [n]),
    };
    const count = { values: zeros("float64", [n]), mask: zeros("bool", [n]) };
    this.rows.forEach((row, i) => {
      if (mask !== undefined && mask.data[i] === 0 && this.fault !== "mask ignored by step") return;
      const result = row.step(Number(actions.data[i]));
      this.#put(i, result.observation);
      batch.rewards.data[i] = this.fault === "NaN reward" ? NaN : result.reward;
      batch.terminations.data[i] = Number(result.terminated);
      batch.truncations.data[i] = Number(result.truncated);
      batch.valid.data[i] = 1;
      count.values.data[i] = result.reward;
      count.mask.data[i] = 1;
    });
    if (this.fault === "observation outside its space") this.#observations.data[0] = -2;
    if (this.fault === "keeps the actions") actions.data.fill(0 as never);
    if (this.fault === "info mask too short")
      return { ...batch, infos: { count: { ...count, mask: zeros("bool", [1]) } } };
    return { ...batch, infos: { count } };
  }

  snapshot(): Snapshot {
    const rows = this.fault === "snapshot by reference" ? this.rows : this.rows.map((row) => row.snapshot());
    return { kind: "counter", state: { rows, observations: this.#observations.data.slice() } };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as { rows: readonly Snapshot[]; observations: Float32Array };
    if (this.fault === "snapshot by reference") return;
    state.rows.forEach((row, i) => this.rows[i].restore(row));
    this.#observations.data.set(state.observations);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

/** Build the single environment. */
export function makeCounter(options: CounterOptions = {}): CounterEnv {
  return new CounterEnv(options);
}
