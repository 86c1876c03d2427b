/** @file One driving environment as an `Env`: row 0 of a batch of one, with results that the caller may keep. */

import { fail } from "../../core/errors.ts";
import { isNdArray, sizeOf } from "../../core/ndarray.ts";
import type { DType, NdArray, Storage } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { Env, EnvMetadata, Frame, Info, InfoBatch, Snapshot, StepResult } from "../../env/env.ts";
import type { DrivingObservation, DrivingVecEnv } from "./vec-env.ts";

/** Observation of one driving env: frame uint8 [64, 64, 3], with state float32 [3] in the dict form. */
export type SingleDrivingObservation = DrivingObservation;

function firstRow<D extends DType>(batch: NdArray<D>): NdArray<D> {
  const shape = batch.shape.slice(1);
  return { dtype: batch.dtype, shape, data: batch.data.slice(0, sizeOf(shape)) as Storage<D> };
}

function observationOf(batch: DrivingObservation): SingleDrivingObservation {
  if (isNdArray(batch)) return firstRow(batch);
  return { frame: firstRow(batch.frame), state: firstRow(batch.state) };
}

function infoOf(infos: InfoBatch): Info {
  const info: Info = {};
  for (const name in infos) {
    const values = infos[name].values as NdArray;
    info[name] = values.dtype === "bool" ? values.data[0] !== 0 : values.data[0];
  }
  return info;
}

/** A single driving environment over a vector env of one. @throws what the vector env throws */
export class DrivingEnv implements Env<SingleDrivingObservation, NdArray<"float32">> {
  readonly observationSpace: Space<SingleDrivingObservation>;
  readonly actionSpace: Space<NdArray<"float32">>;
  readonly metadata: EnvMetadata;
  readonly renderMode = "rgb_array";
  /** The batch of one beneath: what scripted drivers are made for. */
  readonly vector: DrivingVecEnv;

  constructor(vector: DrivingVecEnv) {
    this.vector = vector;
    this.observationSpace = vector.singleObservationSpace as Space<SingleDrivingObservation>;
    this.actionSpace = vector.singleActionSpace as Space<NdArray<"float32">>;
    const { renderModes, renderFps } = vector.metadata;
    this.metadata = { renderModes, renderFps };
  }

  reset(options: { seed?: number; options?: Record<string, unknown> } = {}): {
    observation: SingleDrivingObservation;
    info: Info;
  } {
    const { observations, infos } = this.vector.resetSync(options);
    return { observation: observationOf(observations), info: infoOf(infos) };
  }

  step(action: NdArray<"float32">): StepResult<SingleDrivingObservation> {
    if (action.data.length !== 2) {
      fail({
        code: "INVALID_SHAPE",
        what: "a driving action has two numbers",
        expected: "float32 [2]: steering, acceleration",
        got: `[${action.shape.join(", ")}]`,
      });
    }
    const batch = this.vector.stepSync(action);
    return {
      observation: observationOf(batch.observations),
      reward: batch.rewards.data[0],
      terminated: batch.terminations.data[0] !== 0,
      truncated: batch.truncations.data[0] !== 0,
      info: infoOf(batch.infos),
    };
  }

  /** A 256×256 picture. */
  render(): Frame {
    return this.vector.renderSync()[0];
  }

  snapshot(): Snapshot {
    return this.vector.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.vector.restore(snapshot);
  }

  close(): void {
    void this.vector.close();
  }
}
