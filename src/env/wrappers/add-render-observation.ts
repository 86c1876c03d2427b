/** @file AddRenderObservation: the rendered frame as the observation, or beside it. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import { copyRow, copyRows } from "../batch.ts";
import type { ObservationBatch, ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `AddRenderObservation`. */
export interface AddRenderOptions {
  /** The frame alone (default), or with the observation in a Dict. */
  readonly renderOnly?: boolean;
  /** Name of the frame in the Dict, default "pixels". */
  readonly renderKey?: string;
  /** Name of the observation in the Dict where it is none, default "state". */
  readonly obsKey?: string;
  /** Height and width of the frames, where the environment cannot be asked before its first reset. */
  readonly frameShape?: readonly [height: number, width: number];
}

class AddRenderObservationWrapper extends VectorWrapper {
  readonly #frames: Box<"uint8">;
  readonly #batch: NdArray<"uint8">;
  readonly #options: Required<Pick<AddRenderOptions, "renderOnly" | "renderKey" | "obsKey">>;
  readonly #wrapsDict: boolean;

  constructor(env: AnyVectorEnv, frames: Box<"uint8">, options: AddRenderOptions) {
    const { renderOnly = true, renderKey = "pixels", obsKey = "state" } = options;
    const space = env.singleObservationSpace;
    const parts = space instanceof Dict ? { ...space.spaces } : { [obsKey]: space };
    super(env, { observation: renderOnly ? frames : new Dict({ ...parts, [renderKey]: frames }) });
    this.#frames = frames;
    this.#batch = frames.createEmpty(env.numEnvs);
    this.#options = { renderOnly, renderKey, obsKey };
    this.#wrapsDict = space instanceof Dict;
  }

  #join(observations: ObservationBatch, mask: Mask | undefined): ObservationBatch {
    const frames = this.env.renderSync!();
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask.data[i] !== 0) copyRow(this.#frames, this.#batch, frames[i], i);
    }
    const { renderOnly, renderKey, obsKey } = this.#options;
    if (renderOnly) return this.#batch;
    const rest = this.#wrapsDict
      ? (observations as Record<string, ObservationBatch>)
      : { [obsKey]: observations };
    return { ...rest, [renderKey]: this.#batch };
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    return { observations: this.#join(batch.observations, options?.mask), infos: batch.infos };
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const out = this.relay(batch);
    out.observations = this.#join(batch.observations, mask);
    return out;
  }

  protected override memory(): unknown {
    return this.#batch.data.slice();
  }

  protected override recall(memory: unknown): void {
    copyRows(this.#frames, this.#batch, { ...this.#batch, data: memory as Uint8Array });
  }
}

function frameSpace(env: AnyVectorEnv, options: AddRenderOptions): Box<"uint8"> {
  const needs = {
    code: "NOT_SUPPORTED",
    what: "AddRenderObservation of an environment that does not render at once",
  } as const;
  if (env.renderSync === undefined)
    fail({ ...needs, expected: "an environment in this thread with render()" });
  if (options.frameShape !== undefined) return new Box(0, 255, [...options.frameShape, 3], "uint8");
  env.resetSync?.();
  const [frame] = env.renderSync();
  if (frame === undefined) fail({ ...needs, fix: `make it with renderMode: "rgb_array"` });
  return new Box(0, 255, frame.shape, "uint8");
}

/**
 * Make the rendered frame uint8 [H, W, 3] the observation, or put it beside it. Unless `frameShape` is given the
 * environment is reset once to learn the frame's size. @source Gymnasium 1.4 `AddRenderObservation`
 */
export function AddRenderObservation<E extends AnyEnv>(
  env: E,
  options: AddRenderOptions = {},
): Observing<E, NdArray<"uint8">, ObservationBatch> {
  return lift(env, (inner) => new AddRenderObservationWrapper(inner, frameSpace(inner, options), options));
}
