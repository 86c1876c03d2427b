/** @file Behaviour cloning: regress the policy's mean action on recorded actions. */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { LossResult } from "../nn/gradients.ts";
import { makeTraining, type TrainState } from "../nn/trainer.ts";
import { actionDistribution, type ActorCritic, type ActorCriticParams } from "./networks.ts";

/** Features float32 [B, F] and the actions float32 [B, A] that were taken there. */
export interface CloningBatch<T> {
  readonly observations: T;
  readonly actions: T;
}

/** Trains the actor of a policy; the critic and the deviation keep their values. */
export interface Cloner {
  step(batch: CloningBatch<NdArray>, learningRate: number): Promise<Record<string, number>>;
  state(): TrainState<{ actor: ActorCriticParams<NdArray>["actor"] }>;
  load(state: TrainState<{ actor: ActorCriticParams<NdArray>["actor"] }>): void;
}

type Actor<T> = Pick<ActorCriticParams<T>, "actor">;

/** @param policy its actor's weights are replaced by every step */
export function makeCloner(policy: ActorCritic, options: { weightDecay: number }): Cloner {
  const { logStd, critic } = policy.params();
  const loss = (p: Actor<Tensor>, batch: CloningBatch<Tensor>): LossResult => {
    const whole = {
      actor: p.actor,
      logStd: tf.zerosLike(tf.slice(batch.actions, [0, 0], [1, -1])),
      critic: {},
    };
    const mean = tf.tanh(actionDistribution(whole as never, batch.observations).mean);
    return { loss: tf.mean(tf.square(tf.sub(mean, batch.actions))) };
  };
  const training = makeTraining<Actor<Tensor>, CloningBatch<Tensor>>(
    { actor: policy.params().actor },
    { name: "cloning", loss, optimizer: { kind: "adamw", weightDecay: options.weightDecay, clipNorm: 1 } },
  );
  const use = (): void => policy.setParams({ actor: training.params().actor, logStd, critic });
  use();
  return {
    async step(batch, learningRate) {
      const metrics = await training.step(batch, learningRate);
      use();
      return metrics;
    },
    state: training.state,
    load(next) {
      training.load(next);
      use();
    },
  };
}
