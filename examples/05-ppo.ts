/** @file PPO from scratch on Pendulum: a wrapped vector env, an actor-critic, the rollout loop, the update, a judgement. */

import {
  beginRollout,
  collectRollout,
  evaluatePolicy,
  initActorCritic,
  learningRateAt,
  makeActorCritic,
  makePpo,
  makeVec,
  Rng,
  saveCheckpoint,
  summarize,
  wrappers,
} from "../src/index.ts";
import type { ActorCritic, PpoConfig } from "../src/index.ts";

const settings: PpoConfig = {
  discount: 0.95,
  gaeLambda: 0.95,
  clip: 0.2,
  epochs: 6,
  criticEpochs: 6,
  criticRate: 2,
  minibatches: 8,
  entropyCoefficient: 0,
  anchorCoefficient: 0,
  clipNorm: 1,
  klLimit: 0.05,
};

/** Pendulum as learners want it: actions in [-1, 1], last observations kept (SAME_STEP). */
async function pendulums(numEnvs: number) {
  const envs = await makeVec("Pendulum-v1", { numEnvs, autoreset: "same-step" });
  return wrappers.RescaleAction(envs, { minAction: -1, maxAction: 1 });
}

/** Mean return over 32 episodes that no learning saw. */
async function judge(policy: ActorCritic): Promise<number> {
  const env = await pendulums(32);
  const scores = await evaluatePolicy({ env, policy, seed: 10_000 });
  await env.close();
  return summarize(scores).mean;
}

/** Learn for `iterations` batches of 64 × 50 steps. @returns mean returns before and after (Pendulum's best: about -150) */
export async function learn(options: { iterations?: number; seed?: number; save?: string } = {}) {
  const { iterations = 40, seed = 0, save } = options;
  const rng = Rng.fromSeed(seed);
  const env = await pendulums(64);
  const network = {
    observationSize: 3,
    actionSize: 1,
    hidden: [64, 64],
    initialLogStd: -0.5,
    valueScale: 50,
  };
  const policy = makeActorCritic(network, initActorCritic(rng, network));
  const learner = makePpo(policy, settings);
  const before = await judge(policy);
  const schedule = { peak: 0.002, warmupSteps: 2, totalSteps: iterations, decayFraction: 0.5 };
  const cursor = await beginRollout(env, seed);
  for (let i = 0; i < iterations; i++) {
    const rollout = await collectRollout({ env, policy, steps: 50, rng, cursor });
    const facts = await learner.update(rollout, { learningRate: learningRateAt(schedule, i), rng });
    if (i % 10 === 9) {
      const reward = rollout.rewards.reduce((sum, r) => sum + r, 0) / rollout.rewards.length;
      console.log(`${i + 1}: reward per step ${reward.toFixed(2)}, kl ${facts.kl.toFixed(3)}`);
    }
  }
  await env.close();
  if (save !== undefined) saveCheckpoint(save, policy.params(), { kind: "actor-critic", config: network });
  return { policy, before, after: await judge(policy) };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { before, after } = await learn({ save: "runs/examples/pendulum.safetensors" });
  console.log(`mean return of 32 episodes: ${before.toFixed(0)} before, ${after.toFixed(0)} after`);
}
