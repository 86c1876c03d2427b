/** @file One compiled training step (forward, backward, clipping, optimizer, moving average) and the state it moves. */

import { jit, tf, type Host, type Tensor } from "../engine/jit.ts";
import { scalar, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import { valueAndGrad, type LossResult } from "./gradients.ts";
import { initOptimizer, updateParams, type OptimizerConfig, type OptimizerState } from "./optimizers.ts";
import { copyTree, flattenTree, mapTree } from "./tree.ts";

/** Everything that a step reads and writes; host arrays, saved as one checkpoint. */
export interface TrainState<P> {
  readonly params: P;
  /** Exponential moving average of `params`; `params` themselves when the decay is 0. */
  readonly average: P;
  readonly optimizer: OptimizerState<NdArray>;
}

/** A training step compiled once per batch shape and shared by every state of that architecture. */
export interface TrainStep<P, B> {
  init(params: Host<P>): TrainState<Host<P>>;
  /** Consumes `state` (its buffers are reused) and returns the next one with scalar metrics. @throws NOT_FINITE */
  step(
    state: TrainState<Host<P>>,
    batch: Host<B>,
    learningRate: number,
  ): Promise<{
    state: TrainState<Host<P>>;
    metrics: Record<string, number>;
  }>;
  dispose(): Promise<void>;
}

interface StepOptions<P, B> {
  readonly name: string;
  readonly loss: (params: P, batch: B) => LossResult;
  readonly optimizer: OptimizerConfig;
  readonly averageDecay?: number;
}

interface StepInput<P, B> {
  readonly params: P;
  readonly average: P;
  readonly optimizer: OptimizerState<Tensor>;
  readonly batch: B;
  readonly learningRate: Tensor;
}

/** `average` moved towards the leaves of `params` by 1 − decay. */
function moveAverage<P>(average: P, params: P, decay: number): P {
  if (decay === 0) return average;
  const fresh = flattenTree<Tensor>(params);
  return mapTree(average, (old: Tensor, key) =>
    tf.add(tf.mul(old, decay), tf.mul(fresh.get(key) as Tensor, 1 - decay)),
  );
}

function compileStep<P, B>(options: StepOptions<P, B>) {
  const { name, loss, optimizer: config, averageDecay = 0 } = options;
  const step = ({ params, average, optimizer, batch, learningRate }: StepInput<P, B>) => {
    const { grads, loss: value, metrics } = valueAndGrad((at: P) => loss(at, batch), params);
    const next = updateParams({ params, grads, state: optimizer, learningRate, config });
    return {
      params: next.params,
      average: moveAverage(average, next.params, averageDecay),
      optimizer: next.state,
      metrics: { loss: value, ...metrics },
    };
  };
  return jit(step, { name, donate: ["params", "average", "optimizer"] });
}

/** @param options.loss traced; receives the parameter tree and the batch @param options.averageDecay 0 turns the average off */
export function makeTrainStep<P, B>(options: StepOptions<P, B>): TrainStep<P, B> {
  const { name, optimizer, averageDecay = 0 } = options;
  const compiled = compileStep(options);
  let steps = 0;
  return {
    init: (params) => ({
      params: copyTree(params),
      average: averageDecay === 0 ? ({} as never) : copyTree(params),
      optimizer: initOptimizer(params, optimizer),
    }),
    async step(state, batch, learningRate) {
      const input = { ...state, batch, learningRate: scalar(learningRate) } as unknown as Host<
        StepInput<P, B>
      >;
      const { metrics, ...next } = (await compiled(input)) as unknown as TrainState<Host<P>> & {
        metrics: Record<string, NdArray>;
      };
      steps++;
      return { state: next, metrics: finiteMetrics(metrics, name, steps) };
    },
    dispose: () => compiled.dispose(),
  };
}

/** One network under training: its steps, and what a checkpoint keeps of it. */
export interface Training<P, B> {
  /** Returns scalar metrics. @throws NOT_FINITE */
  readonly step: (batch: Host<B>, learningRate: number) => Promise<Record<string, number>>;
  readonly state: () => TrainState<Host<P>>;
  readonly load: (state: TrainState<Host<P>>) => void;
  /** The weights to use: the moving average where there is one. */
  readonly params: () => Host<P>;
}

/** Train `params` by the step that `options` describe. */
export function makeTraining<P, B>(params: Host<P>, options: StepOptions<P, B>): Training<P, B> {
  const step = makeTrainStep(options);
  let state = step.init(params);
  return {
    async step(batch, learningRate) {
      const result = await step.step(state, batch, learningRate);
      state = result.state;
      return result.metrics;
    },
    state: () => state,
    load: (next) => void (state = next),
    params: () => weightsOf(state),
  };
}

/** The weights to use: the moving average where there is one. */
export function weightsOf<P>(state: TrainState<P>): P {
  return flattenTree(state.average).size === 0 ? state.params : state.average;
}

function finiteMetrics(metrics: Record<string, NdArray>, name: string, step: number): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [metric, array] of Object.entries(metrics)) {
    const value = Number(array.data[0]);
    if (!Number.isFinite(value)) {
      fail({
        code: "NOT_FINITE",
        what: `${name}: metric "${metric}" is ${value} at step ${step}`,
        expected: "a finite number",
        fix: "lower the learning rate, set clipNorm, or look for non-finite values in the data; the last checkpoint is intact",
      });
    }
    values[metric] = value;
  }
  return values;
}
