/** @file The stage of the model-free baseline: the same PPO in the simulator, on the same frozen tokenizer. */

import { withAutoreset } from "../../env/autoreset.ts";
import type { Snapshot } from "../../env/env.ts";
import { withLatentObservations } from "../../env/latent.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { makePpo } from "../../policy/ppo.ts";
import { beginRollout, collectRollout, type RolloutCursor } from "../../policy/rollout.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { Selection } from "./selection.ts";
import type { Workspace } from "./workspace.ts";

/** Real frames that imagination may use: what was collected, and what Dyna rounds record. */
export function realFrames(work: Workspace): number {
  const { rounds, roundFrames } = work.config.imagination;
  return work.config.collect.frames + rounds * roundFrames;
}

/** Name under which the baseline at `multiple` times the real frames is saved. */
export function modelFreePolicy(multiple: number): string {
  return `ppo-${multiple}x`;
}

interface Extra {
  readonly env: Snapshot;
  readonly cursor: RolloutCursor;
}

/** Iterations at which each multiple of the real frames is used up, ascending. */
function milestones(work: Workspace): { multiples: number[]; ends: number[]; perIteration: number } {
  const { numEnvs, rolloutSteps, multiples: wanted } = work.config.modelFree;
  const multiples = [...wanted].sort((a, b) => a - b);
  const perIteration = numEnvs * rolloutSteps;
  return {
    multiples,
    perIteration,
    ends: multiples.map((m) => Math.floor((m * realFrames(work)) / perIteration)),
  };
}

async function makeLatentSimulator(work: Workspace) {
  const { numEnvs } = work.config.modelFree;
  const simulator = await work.task.makeEnv({ numEnvs, split: "train", wideStarts: true });
  return withAutoreset(withLatentObservations(simulator, work.model()), "same-step");
}

/** Learn in the simulator up to the largest multiple; the best policy so far is saved at every multiple. */
export async function learnModelFree(work: Workspace): Promise<void> {
  const { modelFree: settings } = work.config;
  const { multiples, ends, perIteration } = milestones(work);
  const env = await makeLatentSimulator(work);
  const policy = work.newPolicy("model-free");
  const learner = makePpo(policy, { ...settings, anchorCoefficient: 0 });
  const name = `ppo-${work.seed}`;
  const judgeEvery = Math.max(1, Math.floor(ends[0] / 3));
  const last = ends[ends.length - 1];
  const schedule = { peak: settings.learningRate, warmupSteps: 5, totalSteps: last, decayFraction: 0 };
  let cursor = await beginRollout(env, work.seed * 100_003 + 7_000_000);
  await trainLoop(work.context, {
    name,
    steps: last,
    logEvery: 1,
    state: () => learner.state(),
    load: (state) => learner.load(state),
    extra: {
      save: (): Extra => ({ env: env.snapshot!(), cursor }),
      load(value: Extra) {
        env.restore!(value.env);
        cursor = value.cursor;
      },
    },
    async step(i, rng) {
      const rollout = await collectRollout({ env, policy, steps: settings.rolloutSteps, rng, cursor });
      const metrics = await learner.update(rollout, { learningRate: learningRateAt(schedule, i), rng });
      const rolloutReward = rollout.rewards.reduce((a, b) => a + b, 0) / rollout.rewards.length;
      const facts = { ...metrics, rolloutReward, realFrames: (i + 1) * perIteration };
      if ((i + 1) % judgeEvery !== 0 && !ends.includes(i + 1)) return facts;
      return { ...facts, ...(await judgeFor(work, policy, { multiples, ends, step: i })) };
    },
    note: ({ rolloutReward, realFrames: frames }) =>
      `${(frames / 1000).toFixed(0)}k frames, reward ${rolloutReward.toFixed(2)}`,
  });
  await env.close();
  dropPartials(work.context, [name]);
}

/** Offer the present policy to every multiple whose frames are not used up. */
async function judgeFor(
  work: Workspace,
  policy: Parameters<Selection["consider"]>[0],
  at: { multiples: readonly number[]; ends: readonly number[]; step: number },
): Promise<Record<string, number>> {
  const open = at.multiples.filter((_, k) => at.step < at.ends[k]);
  const [first, ...others] = open.map((multiple) => new Selection(work, modelFreePolicy(multiple)));
  const facts = await first.consider(policy, at.step);
  for (const selection of others) selection.offer(policy, facts.validationReturn, at.step);
  return facts;
}
