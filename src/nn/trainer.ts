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

/** @param options.loss traced; receives the parameter tree and the batch @param options.averageDecay 0 turns the average off */
export function makeTrainStep<P, B>(options: {
  name: string;
  loss: (params: P, batch: B) => LossResult;
  optimizer: OptimizerConfig;
  averageDecay?: number;
}): TrainStep<P, B> {
  const { name, loss, optimizer, averageDecay = 0 } = options;
  type In = { params: P; average: P; optimizer: OptimizerState<Tensor>; batch: B; learningRate: Tensor };
  const compiled = jit(
    (input: In) => {
      const {
        grads,
        loss: value,
        metrics,
      } = valueAndGrad((params: P) => loss(params, input.batch), input.params);
      const next = updateParams({
        params: input.params,
        grads,
        state: input.optimizer,
        learningRate: input.learningRate,
        config: optimizer,
      });
      const fresh = flattenTree<Tensor>(next.params);
      const average =
        averageDecay === 0
          ? input.average
          : mapTree(input.average, (old: Tensor, key) =>
              tf.add(tf.mul(old, averageDecay), tf.mul(fresh.get(key) as Tensor, 1 - averageDecay)),
            );
      return { params: next.params, average, optimizer: next.state, metrics: { loss: value, ...metrics } };
    },
    { name, donate: ["params", "average", "optimizer"] },
  );
  let steps = 0;
  return {
    init: (params) => ({
      params: copyTree(params),
      average: averageDecay === 0 ? ({} as never) : copyTree(params),
      optimizer: initOptimizer(params, optimizer),
    }),
    async step(state, batch, learningRate) {
      const input = { ...state, batch, learningRate: scalar(learningRate) } as unknown as Host<In>;
      const { metrics, ...next } = (await compiled(input)) as unknown as TrainState<Host<P>> & {
        metrics: Record<string, NdArray>;
      };
      steps++;
      return { state: next, metrics: finiteMetrics(metrics, name, steps) };
    },
    dispose: () => compiled.dispose(),
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
