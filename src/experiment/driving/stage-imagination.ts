/** @file Stages that learn a policy inside the world model: PPO on imagined rollouts, and Dyna rounds. */

import { existsSync } from "node:fs";
import { withAutoreset } from "../../env/autoreset.ts";
import { makeImaginedEnv } from "../../env/imagined.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { summarize } from "../../policy/evaluate.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import { makePpo, type PpoLearner } from "../../policy/ppo.ts";
import { beginRollout, collectRollout, type Rollout } from "../../policy/rollout.ts";
import { makeReplayContexts } from "../../worldmodel/contexts.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { scoreOn } from "./scoring.ts";
import type { Workspace } from "./workspace.ts";

/** Name under which the policy learned in imagination is saved. */
export const imaginedPolicy = "imagined";

function startPolicy(work: Workspace): ActorCritic {
  const { warmStart } = work.config.imagination;
  const policy = work.newPolicy("imagination");
  if (warmStart !== "none") policy.setParams({ ...policy.params(), actor: work.loadPolicy(warmStart).policy.params().actor });
  return policy;
}

/** Keeps the policy that validation worlds like best. */
export class Selection {
  readonly #work: Workspace;
  readonly #name: string;
  #best = -Infinity;

  constructor(work: Workspace, name: string) {
    this.#work = work;
    this.#name = name;
    if (work.hasPolicy(name)) this.#best = work.loadPolicy(name).facts.validationReturn as number;
  }

  /** Judge `policy` on validation worlds and save it if it is the best so far. */
  async consider(policy: ActorCritic, step: number): Promise<Record<string, number>> {
    const scores = await scoreOn(this.#work, "validation", this.#work.config.imagination.validationEpisodes, () => policy);
    const { mean, terminatedRate, meanLength } = summarize(scores);
    this.offer(policy, mean, step);
    return {
      validationReturn: mean,
      validationCrashRate: terminatedRate,
      realHazard: terminatedRate / meanLength,
      realReward: mean / meanLength,
    };
  }

  /** Save `policy`, whose validation return is known, if it is the best so far. */
  offer(policy: ActorCritic, validationReturn: number, step: number): void {
    if (validationReturn <= this.#best) return;
    this.#best = validationReturn;
    this.#work.savePolicy(this.#name, policy, { validationReturn, step });
  }
}

/** Mean reward and crash probability per imagined step, over rows still alive. */
function imaginedFacts(rollout: Rollout): Record<string, number> {
  let [weight, reward, hazard] = [0, 0, 0];
  for (let i = 0; i < rollout.weights.length; i++) {
    weight += rollout.weights[i];
    reward += rollout.weights[i] * rollout.rewards[i];
    hazard += rollout.weights[i] * (1 - rollout.continues[i]);
  }
  return { imaginedReward: reward / weight, imaginedHazard: hazard / weight };
}

/** Some iterations of PPO in the present world model. */
async function imagine(
  work: Workspace,
  parts: { policy: ActorCritic; learner: PpoLearner; selection: Selection },
  phase: { name: string; iterations: number; warmup: number; recentFraction: number; recentEpisodes: number; constantRate: boolean },
): Promise<void> {
  const settings = work.config.imagination;
  const model = work.model();
  const { policy, learner, selection } = parts;
  const contexts = makeReplayContexts(model, await work.replay("train"), phase);
  const { numEnvs, horizon, uncertaintyPenalty, terminationReward } = settings;
  const dream = makeImaginedEnv({ model, contexts, numEnvs, horizon, termination: "soft", uncertaintyPenalty, terminationReward });
  const env = withAutoreset(dream, "same-step");
  const schedule = {
    peak: settings.learningRate * (phase.constantRate ? 0.5 : 1),
    warmupSteps: phase.constantRate ? 1 : 5,
    totalSteps: phase.iterations,
    decayFraction: 0.5,
  };
  await trainLoop(work.context, {
    name: phase.name,
    steps: phase.iterations,
    logEvery: 1,
    state: () => learner.state(),
    load: (state) => learner.load(state),
    async step(i, rng) {
      const cursor = await beginRollout(env, rng.integers(0, 2 ** 31) as number);
      const rollout = await collectRollout({ env, policy, steps: horizon, rng, cursor });
      const learningRate = learningRateAt(schedule, i);
      const metrics = await learner.update(rollout, { learningRate, rng, criticOnly: i < phase.warmup });
      const due = (i + 1) % settings.validationEvery === 0 || i + 1 === phase.iterations;
      const judged = due ? await selection.consider(policy, i) : {};
      return { ...metrics, ...imaginedFacts(rollout), ...judged };
    },
    note: ({ imaginedReward, imaginedHazard, validationReturn }) =>
      `reward ${imaginedReward.toFixed(2)}, hazard ${imaginedHazard.toFixed(4)}` +
      (validationReturn === undefined ? "" : `, real validation ${validationReturn.toFixed(0)}`),
  });
}

/** Save learner and policy so that a later Dyna round goes on with the same optimizer. */
function saveLearner(work: Workspace, learner: PpoLearner): void {
  saveCheckpoint(work.file("imagination.safetensors"), learner.state(), { kind: "ppo-state" });
}

/** Learn offline: all real frames come from the behaviour policy. */
export async function learnInImagination(work: Workspace): Promise<void> {
  const { iterations, criticWarmup } = work.config.imagination;
  const policy = startPolicy(work);
  const learner = makePpo(policy, work.config.imagination);
  const selection = new Selection(work, imaginedPolicy);
  const name = `imagination-${work.seed}`;
  await imagine(
    work,
    { policy, learner, selection },
    { name, iterations, warmup: criticWarmup, recentFraction: 0, recentEpisodes: 1, constantRate: false },
  );
  saveLearner(work, learner);
  dropPartials(work.context, [name]);
}

/** A learner with the state that the last phase left. */
export function resumeLearner(work: Workspace): { policy: ActorCritic; learner: PpoLearner } {
  const path = work.file("imagination.safetensors");
  const policy = work.newPolicy("imagination");
  const learner = makePpo(policy, work.config.imagination);
  if (existsSync(path)) learner.load(restoreParams(learner.state(), loadCheckpoint(path).tensors, path));
  return { policy, learner };
}

/** One more phase of imagination after new real episodes were recorded and the model was trained on them. */
export async function continueImagination(work: Workspace, round: number, recentEpisodes: number): Promise<void> {
  const { roundIterations, recentFraction } = work.config.imagination;
  const { policy, learner } = resumeLearner(work);
  const selection = new Selection(work, imaginedPolicy);
  const name = `imagination-${work.seed}-round${round}`;
  await imagine(
    work,
    { policy, learner, selection },
    { name, iterations: roundIterations, warmup: 0, recentFraction, recentEpisodes, constantRate: true },
  );
  saveLearner(work, learner);
  dropPartials(work.context, [name]);
}

