/** @file The environment of the benchmark: N pictures that change by a byte per step. */

import { zeros } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import type { ResetBatch, StepBatch, VectorEnv } from "../../src/env/env.ts";

/** A primitive of `numEnvs` pictures uint8 [side, side, 3] whose step costs nothing. */
export function makePictureEnv(numEnvs: number, side: number): VectorEnv {
  const single = new Box(0, 255, [side, side, 3], "uint8");
  const action = new Box(-1, 1, [7]);
  const observations = zeros("uint8", [numEnvs, side, side, 3]);
  const flags = () => zeros("bool", [numEnvs]);
  const reset: ResetBatch = { observations, infos: {} };
  const valid = flags();
  valid.data.fill(1);
  const step: StepBatch = {
    ...reset,
    rewards: zeros("float64", [numEnvs]),
    terminations: flags(),
    truncations: flags(),
    valid,
  };
  return {
    numEnvs,
    singleObservationSpace: single,
    singleActionSpace: action,
    observationSpace: single.batch(numEnvs),
    actionSpace: action.batch(numEnvs),
    metadata: { renderModes: [], autoreset: "disabled" },
    reset: () => Promise.resolve(reset),
    step: () => {
      observations.data[0]++;
      return Promise.resolve(step);
    },
    close: () => Promise.resolve(),
  };
}
