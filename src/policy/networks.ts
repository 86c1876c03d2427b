/** @file Actor and critic perceptrons, and the policy that runs them. */

import { jit, tf, type Host, type Tensor } from "../engine/jit.ts";
import { float32, zeros, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import { initMlp, mlp, type Mlp } from "../nn/layers.ts";
import { copyTree } from "../nn/tree.ts";
import { sampleAction, logProbability, type TanhGaussian } from "./distributions.ts";
import type { ActOptions, Decision, Policy } from "./policy.ts";

/** Sizes; part of the checkpoint. */
export interface ActorCriticConfig {
  readonly observationSize: number;
  readonly actionSize: number;
  readonly hidden: readonly number[];
  /** Initial log standard deviation before squashing. */
  readonly initialLogStd: number;
  /** The critic's output is multiplied by this: about the scale of returns. */
  readonly valueScale: number;
}

/** Actor and critic share nothing, so that neither's gradient disturbs the other. */
export interface ActorCriticParams<T> {
  readonly actor: Mlp<T>;
  readonly logStd: T;
  readonly critic: Mlp<T>;
}

/** Fresh weights; the actor starts near zero action. */
export function initActorCritic(rng: Rng, config: ActorCriticConfig): ActorCriticParams<NdArray> {
  const { observationSize, actionSize, hidden } = config;
  return {
    actor: initMlp(rng, [observationSize, ...hidden, actionSize], 0.01),
    logStd: float32(new Array<number>(actionSize).fill(config.initialLogStd)),
    critic: initMlp(rng, [observationSize, ...hidden, 1], 0.01),
  };
}

/** Action distribution for observations [B, F]. */
export function actionDistribution(
  p: Pick<ActorCriticParams<Tensor>, "actor" | "logStd">,
  observations: Tensor,
): TanhGaussian {
  return { mean: mlp(p.actor, observations, tf.elu), logStd: tf.clipByValue(p.logStd, -4, 1) };
}

/** Value estimates [B] for observations [B, F]. */
export function stateValue(
  p: Pick<ActorCriticParams<Tensor>, "critic">,
  config: ActorCriticConfig,
  observations: Tensor,
): Tensor {
  return tf.mul(tf.reshape(mlp(p.critic, observations, tf.elu), [-1]), config.valueScale);
}

/** A policy with a critic, over feature vectors float32 [N, F]. */
export interface ActorCritic extends Policy<NdArray<"float32">> {
  readonly config: ActorCriticConfig;
  /** Value estimates [N]. */
  values(observations: NdArray<"float32">): Promise<NdArray<"float32">>;
  /** The weights in use (not a copy). */
  params(): ActorCriticParams<NdArray>;
  /** Use other weights from now on. */
  setParams(params: ActorCriticParams<NdArray>): void;
  /** A frozen copy that later training does not touch. */
  clone(): ActorCritic;
}

type Compiled = ReturnType<typeof compileActorCritic>;

function compileActorCritic(config: ActorCriticConfig) {
  type In = { params: ActorCriticParams<Tensor>; observations: Tensor };
  return {
    act: jit(
      ({ params, observations, noise }: In & { noise: Tensor }) => {
        const distribution = actionDistribution(params, observations);
        const actions = sampleAction(distribution, noise);
        return {
          actions,
          logProbabilities: logProbability(distribution, actions),
          values: stateValue(params, config, observations),
        };
      },
      { name: "policy.act" },
    ),
    values: jit(({ params, observations }: In) => ({ values: stateValue(params, config, observations) }), {
      name: "policy.values",
    }),
  };
}

function wrap(
  config: ActorCriticConfig,
  initial: ActorCriticParams<NdArray>,
  compiled: Compiled,
): ActorCritic {
  let params = initial;
  return {
    config,
    async act(observations, _begins, options: ActOptions = {}): Promise<Decision> {
      const noise = zeros("float32", [observations.shape[0], config.actionSize]);
      if (!options.deterministic) {
        if (options.rng === undefined) {
          fail({
            code: "INVALID_ARGUMENT",
            what: "sampling an action needs a generator",
            expected: "options.rng, or options.deterministic: true",
            fix: "pass { rng: Rng.fromSeed(seed) }",
          });
        }
        options.rng.fillNormal(noise.data);
      }
      const input = { params, observations, noise } as unknown as Parameters<Compiled["act"]>[0];
      return (await compiled.act(input)) as unknown as Decision;
    },
    async values(observations) {
      const input = { params, observations } as unknown as Host<never>;
      return ((await compiled.values(input)) as unknown as { values: NdArray<"float32"> }).values;
    },
    params: () => params,
    setParams: (next) => void (params = next),
    clone: () => wrap(config, copyTree(params), compiled),
  };
}

/** @param params weights of `initActorCritic` or of a checkpoint; not copied */
export function makeActorCritic(config: ActorCriticConfig, params: ActorCriticParams<NdArray>): ActorCritic {
  return wrap(config, params, compileActorCritic(config));
}
