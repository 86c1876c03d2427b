/** @file A vector environment of one seen as a single environment, so that one implementation of a wrapper serves both. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";
import { rowAt } from "./batch.ts";
import type { Env, EnvMetadata, EnvSpec, Frame, Info, Snapshot, StepResult, VectorEnv } from "./env.ts";
import { infoAt } from "./infos.ts";
import { singleName } from "./names.ts";

function copied(value: unknown): unknown {
  if (isNdArray(value)) return { dtype: value.dtype, shape: value.shape, data: value.data.slice() };
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copied(part)]));
}

/** A batch of one action: a view where it is an array, one reused number where it is a number. */
function actionPacker(space: Space): (action: unknown) => unknown {
  if (space.kind === "Discrete") {
    const batch = zeros("int32", [1]);
    return (action) => {
      batch.data[0] = action as number;
      return batch.data[0] === action ? batch : [action];
    };
  }
  return (action) => {
    if (isNdArray(action)) return { dtype: action.dtype, shape: [1, ...action.shape], data: action.data };
    return space.concatenate([action], space.createEmpty(1));
  };
}

/** The single environment in a vector environment of one; made by `singleOf`. */
export class SingleEnv implements Env {
  readonly vector: VectorEnv;
  readonly renderMode: string | undefined;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  readonly #pack: (action: unknown) => unknown;

  constructor(vector: VectorEnv, renderMode: string | undefined) {
    this.vector = vector;
    this.renderMode = renderMode;
    this.#pack = actionPacker(vector.singleActionSpace);
    if (vector.snapshot === undefined || vector.restore === undefined) return;
    this.snapshot = () => vector.snapshot!();
    this.restore = (snapshot) => vector.restore!(snapshot);
  }

  get observationSpace(): Space {
    return this.vector.singleObservationSpace;
  }
  get actionSpace(): Space {
    return this.vector.singleActionSpace;
  }
  get metadata(): EnvMetadata {
    return this.vector.metadata;
  }
  get spec(): EnvSpec | undefined {
    return this.vector.spec;
  }

  reset(options?: { seed?: number; options?: Record<string, unknown> }): {
    observation: unknown;
    info: Info;
  } {
    const batch = this.vector.resetSync!(options);
    return {
      observation: copied(rowAt(this.observationSpace, batch.observations, 0)),
      info: infoAt(batch.infos, 0),
    };
  }

  step(action: unknown): StepResult<unknown> {
    const batch = this.vector.stepSync!(this.#pack(action) as NdArray);
    return {
      observation: copied(rowAt(this.observationSpace, batch.observations, 0)),
      reward: batch.rewards.data[0],
      terminated: batch.terminations.data[0] !== 0,
      truncated: batch.truncations.data[0] !== 0,
      info: infoAt(batch.infos, 0),
    };
  }

  render(): Frame | undefined {
    return this.vector.renderSync?.()[0];
  }

  close(): void {
    void this.vector.close();
  }

  toString(): string {
    return singleName(this.vector);
  }
}

/**
 * The single environment in a vector environment of one.
 * @throws NOT_SUPPORTED when it has not one row, or has to be waited for
 */
export function singleOf(vector: VectorEnv, renderMode?: string): SingleEnv {
  if (vector.numEnvs === 1 && vector.stepSync !== undefined) return new SingleEnv(vector, renderMode);
  return fail({
    code: "NOT_SUPPORTED",
    what: "a single environment from this vector environment",
    expected: "one sub-environment, in this thread",
    got: `${vector.numEnvs} sub-environments${vector.stepSync === undefined ? ", asynchronous" : ""}`,
    fix: "use the vector environment",
  });
}
