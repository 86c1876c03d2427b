/**
 * @file A world whose every answer is known, as an environment and as a world model.
 *
 * The observation is [count, step]. An action is the change of the count. After `length` steps the task ends, and only
 * then is there a reward: the count. A step's action, observation, reward and end can therefore be told from each other.
 */

import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import type { Rng } from "../../src/core/rng.ts";
import { Box } from "../../src/core/spaces/box.ts";
import type { ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../../src/env/env.ts";
import type { LatentState, Observation, Prediction, WorldModel } from "../../src/worldmodel/worldmodel.ts";

type Features = NdArray<"float32">;

export interface CounterOptions {
  readonly numEnvs: number;
  /** Steps until the task ends. */
  readonly length: number;
  /** Steps until it is cut; never unless given. */
  readonly limit?: number;
}

/** The counter as a primitive vector env. */
export function makeCounterEnv({
  numEnvs,
  length,
  limit = Infinity,
}: CounterOptions): VectorEnv<Features, NdArray<"float32">> {
  const counts = new Float32Array(numEnvs);
  const steps = new Int32Array(numEnvs);
  const observe = (): Features => {
    const out = zeros("float32", [numEnvs, 2]);
    for (let i = 0; i < numEnvs; i++) out.data.set([counts[i], steps[i]], 2 * i);
    return out;
  };
  const box = (shape: number[], edge: number): Box => new Box(-edge, edge, shape);
  return {
    numEnvs,
    singleObservationSpace: box([2], Infinity),
    singleActionSpace: box([1], 1),
    observationSpace: box([numEnvs, 2], Infinity),
    actionSpace: box([numEnvs, 1], 1),
    metadata: { renderModes: [], autoreset: "disabled" },
    async reset(options: VectorResetOptions = {}): Promise<ResetBatch<Features>> {
      for (let i = 0; i < numEnvs; i++) if (options.mask?.data[i] !== 0) counts[i] = steps[i] = 0;
      return { observations: observe(), infos: {} };
    },
    async step(actions, mask): Promise<StepBatch<Features>> {
      const flags = (): NdArray<"bool"> => zeros("bool", [numEnvs]);
      const batch = {
        rewards: zeros("float64", [numEnvs]),
        terminations: flags(),
        truncations: flags(),
        valid: flags(),
      };
      for (let i = 0; i < numEnvs; i++) {
        if (mask?.data[i] === 0) continue;
        counts[i] += actions.data[i];
        steps[i]++;
        batch.valid.data[i] = 1;
        if (steps[i] === length) {
          batch.terminations.data[i] = 1;
          batch.rewards.data[i] = counts[i];
        }
        if (steps[i] >= limit) batch.truncations.data[i] = 1;
      }
      return { ...batch, observations: observe(), infos: {} };
    },
    async close() {},
  };
}

/** The counter as a world model; its termination is certain, or `probability` per step when given. */
export function makeCounterModel(length: number, probability?: number): WorldModel {
  const stateOf = (count: Features, step: Features): LatentState => ({ count, step });
  return {
    kind: "counter",
    frameShape: [1, 1, 3],
    stateSize: 1,
    actionSpec: { names: ["delta"], units: ["1"], kind: "delta", low: [-1], high: [1], rateHz: 10 },
    contextLength: 1,
    stepSeconds: 0.1,
    featureSize: 2,
    async encode(observations: Observation): Promise<LatentState> {
      const [batch, time] = observations.state.shape;
      const count = zeros("float32", [batch, 1]);
      for (let b = 0; b < batch; b++) count.data[b] = observations.state.data[(b + 1) * time - 1];
      return stateOf(count, zeros("float32", [batch, 1]));
    },
    async observe(state, _actions, observation) {
      const step = { ...state.step, data: state.step.data.map((value) => value + 1) };
      return stateOf({ ...observation.state }, step);
    },
    async step(state, actions, _rng: Rng): Promise<Prediction> {
      const batch = actions.shape[0];
      const column = (): Features => zeros("float32", [batch]);
      const [count, step] = [zeros("float32", [batch, 1]), zeros("float32", [batch, 1])];
      const [rewards, terminatedProbabilities] = [column(), column()];
      for (let i = 0; i < batch; i++) {
        count.data[i] = state.count.data[i] + actions.data[i];
        step.data[i] = state.step.data[i] + 1;
        const ends = step.data[i] === length;
        terminatedProbabilities.data[i] = probability ?? (ends ? 1 : 0);
        rewards.data[i] = ends ? count.data[i] : 0;
      }
      return { state: stateOf(count, step), rewards, terminatedProbabilities, uncertainties: column() };
    },
    features(state) {
      const batch = state.count.shape[0];
      const out = zeros("float32", [batch, 2]);
      for (let i = 0; i < batch; i++) out.data.set([state.count.data[i], state.step.data[i]], 2 * i);
      return out;
    },
    async decode(state) {
      return { frame: zeros("uint8", [state.count.shape[0], 1, 1, 3]), state: state.count };
    },
  };
}

/** Every imagined episode begins at zero. */
export const zeroContexts = {
  sample: (count: number): LatentState => ({
    count: zeros("float32", [count, 1]),
    step: zeros("float32", [count, 1]),
  }),
};
