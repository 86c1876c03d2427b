/** @file TimeAwareObservation: the number of steps taken in the episode as part of the observation. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ObservationBatch, ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import { FlattenObservation } from "./flatten-observation.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { getWrapperAttr, hasWrapperAttr, lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `TimeAwareObservation`. */
export interface TimeAwareOptions {
  /** Join everything into one flat array; default true, as Gymnasium's. */
  readonly flatten?: boolean;
  /** Time in [0, 1] as float32 instead of steps as int32. */
  readonly normalizeTime?: boolean;
  /** Name of the entry, default "time". */
  readonly dictTimeKey?: string;
  /** The time limit; default: that of the environment. */
  readonly maxEpisodeSteps?: number;
}

function timeSpace(normalize: boolean, limit: number): Space {
  return normalize ? new Box(0, 1, [1], "float32") : new Box(0, limit, [1], "int32");
}

function joined(env: AnyVectorEnv, key: string, time: Space): Space {
  const space = env.singleObservationSpace;
  if (!(space instanceof Dict)) return new Dict({ obs: space, [key]: time });
  return new Dict([[key, time], ...space.keys.map((name) => [name, space.spaces[name]] as const)]);
}

class TimeAwareObservationWrapper extends VectorWrapper {
  readonly #key: string;
  readonly #time: NdArray<"float32" | "int32">;
  readonly #scale: number;
  readonly #wrapsDict: boolean;

  constructor(env: AnyVectorEnv, options: TimeAwareOptions, limit: number) {
    const key = options.dictTimeKey ?? "time";
    const normalize = options.normalizeTime === true;
    super(env, { observation: joined(env, key, timeSpace(normalize, limit)) });
    this.#key = key;
    this.#time = zeros(normalize ? "float32" : "int32", [env.numEnvs, 1]);
    this.#scale = normalize ? 1 / limit : 1;
    this.#wrapsDict = env.singleObservationSpace instanceof Dict;
  }

  #join(observations: ObservationBatch): ObservationBatch {
    const time = { [this.#key]: this.#time };
    return this.#wrapsDict
      ? { ...time, ...(observations as Record<string, ObservationBatch>) }
      : { obs: observations, ...time };
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    for (let i = 0; i < this.numEnvs; i++) if (options?.mask?.data[i] !== 0) this.#time.data[i] = 0;
    return { observations: this.#join(batch.observations), infos: batch.infos };
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const out = this.relay(batch);
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask.data[i] !== 0) {
        this.#time.data[i] = Math.round(this.#time.data[i] / this.#scale + 1) * this.#scale;
      }
    }
    out.observations = this.#join(batch.observations);
    return out;
  }

  protected override memory(): unknown {
    return this.#time.data.slice();
  }

  protected override recall(memory: unknown): void {
    this.#time.data.set(memory as Float32Array);
  }
}

function limitOf(env: AnyEnv, options: TimeAwareOptions): number {
  const known =
    options.maxEpisodeSteps ??
    (hasWrapperAttr(env, "maxEpisodeSteps") ? getWrapperAttr(env, "maxEpisodeSteps") : undefined);
  const limit = known ?? env.spec?.maxEpisodeSteps;
  if (typeof limit === "number" && Number.isFinite(limit)) return limit;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "TimeAwareObservation of an environment without a time limit",
    expected: "a time limit",
    fix: "wrap it in TimeLimit first, or give maxEpisodeSteps",
  });
}

/**
 * Add the number of steps taken to the observation: an entry of a Dict ({ obs, time } where it was none), or, flattened
 * (the default), its last number. @throws INVALID_ARGUMENT without a time limit @source Gymnasium 1.4 `TimeAwareObservation`
 */
export function TimeAwareObservation<E extends AnyEnv>(
  env: E,
  options: TimeAwareOptions = {},
): Observing<E, NdArray, ObservationBatch> {
  const limit = limitOf(env, options);
  const aware = lift<AnyEnv>(env, (inner) => new TimeAwareObservationWrapper(inner, options, limit));
  const result: AnyEnv = options.flatten === false ? aware : FlattenObservation(aware);
  return result as unknown as Observing<E, NdArray, ObservationBatch>;
}
