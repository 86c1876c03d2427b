/** @file The stage that learns a policy inside the world model: PPO on imagined rollouts. */

import { withAutoreset } from "../../env/autoreset.ts";
import { makeImaginedEnv } from "../../env/imagined.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import { makePpo, type PpoLearner } from "../../policy/ppo.ts";
import { beginRollout, collectRollout, type Rollout } from "../../policy/rollout.ts";
import { makeReplayContexts } from "../../worldmodel/contexts.ts";
import { dropPartials, stepRng, trainLoop, type LoopOptions } from "../training-loop.ts";
import { fitNormalizers } from "../../worldmodel/normalizers.ts";
import { openRecordedReturns } from "./recorded-returns.ts";
import { Selection } from "./selection.ts";
import { stressTag } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** Name under which the policy learned in imagination is saved. */
export const imaginedPolicy = "imagined";

/**
 * The policy that imagination starts from. Its critic begins at the value of earning the data's mean reward for ever: from
 * zero it would need tens of batches to rise there, and meanwhile an end would seem to change next to nothing.
 */
async function startPolicy(work: Workspace): Promise<ActorCritic> {
  const { warmStart, discount } = work.config.imagination;
  const policy = work.newPolicy("imagination");
  const { actor, logStd, critic } = policy.params();
  const { rewardMean } = fitNormalizers(await work.replay("train"), work.task.stateSize);
  const last = critic[Object.keys(critic)[Object.keys(critic).length - 1]];
  last.bias.data[0] = rewardMean / (1 - discount) / policy.config.valueScale;
  policy.setParams({
    actor: warmStart === "none" ? actor : work.loadPolicy(warmStart).policy.params().actor,
    logStd,
    critic,
  });
  return policy;
}

/** Mean reward and probability of an end per imagined step, over rows still alive. */
function imaginedFacts(rollout: Rollout): Record<string, number> {
  let [weight, reward, hazard] = [0, 0, 0];
  for (let i = 0; i < rollout.weights.length; i++) {
    weight += rollout.weights[i];
    reward += rollout.weights[i] * rollout.rewards[i];
    hazard += rollout.weights[i] * (1 - rollout.continues[i]);
  }
  return { imaginedReward: reward / weight, imaginedHazard: hazard / weight };
}

/** PPO with the anchor that the config asks for. */
function makeLearner(work: Workspace, policy: ActorCritic): PpoLearner {
  const settings = work.config.imagination;
  return makePpo(
    policy,
    settings,
    settings.anchorCoefficient > 0 ? work.loadPolicy("filtered").policy : undefined,
  );
}

/** What learns: the policy, its optimizers, and the choice of the checkpoint. */
export interface Dreamer {
  readonly policy: ActorCritic;
  readonly learner: PpoLearner;
  readonly selection: Selection;
}

/** One stretch of learning in one world model. */
export interface DreamPhase {
  readonly name: string;
  readonly iterations: number;
  /** First iterations that move the critic alone. */
  readonly warmup: number;
  readonly recentFraction: number;
  readonly recentEpisodes: number;
  readonly learningRate: (iteration: number) => number;
  /** Share of the anchor's pull; all of it unless given. */
  readonly anchorShare?: number;
  readonly validationEvery: number;
  /** Where the curves of the run's imagination go on. */
  readonly curve?: LoopOptions["curve"];
  /** The newest episodes in the replay are the policy's own: so many; their returns teach the critic too. */
  readonly ownEpisodes?: number;
  /** Share of the stage: [from, to]. */
  readonly span?: readonly [number, number];
}

const notStressed = ({ tag }: { readonly tag: string }): number => (tag === stressTag ? 0 : 1);

/** What the critic learns from beside the dream: the policy's own recorded episodes, where the config wants it. */
async function recordedFor(work: Workspace, { name, ownEpisodes: episodes }: DreamPhase) {
  const { recordedRows: rows, recordedDreamed: dreamedShare, ...settings } = work.config.imagination;
  if (episodes === undefined || rows === 0) return undefined;
  const replay = await work.replay("train");
  const options = { ...settings, model: work.model(), replay, episodes, rows, dreamedShare };
  return openRecordedReturns(options, stepRng(work.seed, `${name}-recorded`, 0));
}

/** Some iterations of PPO in the present world model. */
export async function dream(work: Workspace, dreamer: Dreamer, phase: DreamPhase): Promise<void> {
  const { numEnvs, horizon, uncertaintyPenalty, terminationReward, stressStarts } = work.config.imagination;
  const model = work.model();
  const { policy, learner, selection } = dreamer;
  const { recentFraction, recentEpisodes } = phase;
  const starts = { recentFraction, recentEpisodes, priority: stressStarts ? undefined : notStressed };
  const contexts = makeReplayContexts(model, await work.replay("train"), starts);
  const recorded = await recordedFor(work, phase);
  const penalties = { uncertaintyPenalty, terminationReward };
  const imagined = makeImaginedEnv({ model, contexts, numEnvs, horizon, termination: "soft", ...penalties });
  const env = withAutoreset(imagined, "same-step");
  await trainLoop(work.context, {
    name: phase.name,
    steps: phase.iterations,
    logEvery: 1,
    span: phase.span,
    curve: phase.curve,
    state: () => learner.state(),
    load: (state) => learner.load(state),
    async step(i, rng) {
      const cursor = await beginRollout(env, rng.integers(0, 2 ** 31));
      const rollout = await collectRollout({ env, policy, steps: horizon, rng, cursor });
      const learningRate = phase.learningRate(i);
      const metrics = await learner.update(rollout, {
        learningRate,
        rng,
        criticOnly: i < phase.warmup,
        anchorShare: phase.anchorShare,
        recorded: await recorded?.draw(policy, rng),
      });
      const due = (i + 1) % phase.validationEvery === 0 || i + 1 === phase.iterations;
      const judged = due ? await selection.consider(policy, i) : {};
      return { ...metrics, ...imaginedFacts(rollout), ...judged };
    },
    note: ({ imaginedReward, imaginedHazard, validationReturn }) =>
      `reward ${imaginedReward.toFixed(2)}, hazard ${imaginedHazard.toFixed(4)}` +
      (validationReturn === undefined ? "" : `, real validation ${validationReturn.toFixed(0)}`),
  });
}

/** Save the learner so that the next Dyna round goes on with the same optimizers. */
export function saveLearner(work: Workspace, learner: PpoLearner, round: number): void {
  saveCheckpoint(work.file("training", "imagination.safetensors"), learner.state(), {
    kind: "ppo-state",
    round,
  });
}

/** The dreamer that the last phase left, and the round after which it was saved. */
export function loadDreamer(work: Workspace): Dreamer & { readonly round: number } {
  const path = work.file("training", "imagination.safetensors");
  const policy = work.newPolicy("imagination");
  const learner = makeLearner(work, policy);
  const { tensors, meta } = loadCheckpoint(path);
  learner.load(restoreParams(learner.state(), tensors, path));
  return { policy, learner, selection: new Selection(work, imaginedPolicy), round: meta.round as number };
}

/** Learn offline: all real frames come from the behaviour policy. */
export async function learnInImagination(work: Workspace): Promise<void> {
  const { iterations, criticWarmup, learningRate, rounds, validationEvery } = work.config.imagination;
  const policy = await startPolicy(work);
  const learner = makeLearner(work, policy);
  const name = `imagination-${work.seed}`;
  // Where Dyna rounds follow, the rate decays over them instead.
  const decayFraction = rounds === 0 ? 0.5 : 0;
  const schedule = { peak: learningRate, warmupSteps: 5, totalSteps: iterations, decayFraction };
  await dream(
    work,
    { policy, learner, selection: new Selection(work, imaginedPolicy) },
    {
      name,
      iterations,
      warmup: criticWarmup,
      recentFraction: 0,
      recentEpisodes: 1,
      learningRate: (i) => learningRateAt(schedule, i),
      validationEvery,
    },
  );
  saveLearner(work, learner, 0);
  dropPartials(work.context, [name]);
}
