/** @file The stage that judges one seed: every policy on the same episodes, and the world model on both kinds of data. */

import { writeAtomicallySync } from "../../core/storage.ts";
import type { EpisodeScore } from "../../policy/evaluate.ts";
import { imaginedReturn } from "../../policy/objective.ts";
import { makePlanner } from "../../policy/planner.ts";
import { safePoint } from "../stages.ts";
import { scoreGoalPlanner } from "./goal-planner.ts";
import { judgeModels, type ModelVerdict } from "./model-verdict.ts";
import { scoreDriver, scoreOn } from "./scoring.ts";
import { imaginedPolicy } from "./stage-imagination.ts";
import { modelFreePolicy, realFrames } from "./stage-modelfree.ts";
import { driverPolicy, randomPolicy } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** One policy's episodes on unseen and on training worlds. */
export interface PolicyVerdict {
  readonly id: string;
  readonly label: string;
  readonly realFrames: number;
  readonly minutes: number;
  readonly test: readonly EpisodeScore[];
  readonly train: readonly EpisodeScore[];
}

/** Everything that is measured of one seed; `verdict.json` in the seed's folder. */
export interface SeedVerdict extends ModelVerdict {
  readonly seed: number;
  /** Episodes of a union's tasks alternate. */
  readonly policies: readonly PolicyVerdict[];
  /** The model on each task of a union alone. */
  readonly parts?: readonly ModelVerdict[];
}

interface Candidate {
  readonly id: string;
  readonly label: string;
  readonly realFrames: number;
  readonly minutes: number;
  readonly score: (split: "test" | "train", episodes: number) => Promise<EpisodeScore[]>;
}

/** Minutes that the stages whose names begin so have taken, for this seed. */
function minutesOf(work: Workspace, ...stages: string[]): number {
  const suffix = work.config.seeds === 1 ? "" : ` (seed ${work.seed})`;
  return stages.reduce(
    (sum, name) => sum + (work.context.runDir.state.stages[name + suffix]?.seconds ?? 0) / 60,
    0,
  );
}

function scripted(work: Workspace): Candidate[] {
  const { seed } = work;
  return [
    {
      id: "random",
      label: "random",
      realFrames: 0,
      minutes: 0,
      score: (split, episodes) =>
        scoreDriver(work, split, episodes, () => randomPolicy(seed, work.task.actionSpec.names.length)),
    },
    {
      id: "behaviour",
      label: "behaviour (collects the data)",
      realFrames: 0,
      minutes: 0,
      score: (split, episodes) =>
        scoreDriver(work, split, episodes, (env) => driverPolicy(work.task.behaviour(env), seed)),
    },
    {
      id: "expert",
      label: "scripted expert (ceiling, sees the simulator's state)",
      realFrames: 0,
      minutes: 0,
      score: (split, episodes) =>
        scoreDriver(work, split, episodes, (env) => driverPolicy(work.task.expert(env), seed)),
    },
  ];
}

function learned(work: Workspace): Candidate[] {
  const { config } = work;
  const frames = config.collect.frames;
  const saved = (id: string, label: string, cost: { realFrames: number; minutes: number }): Candidate => ({
    id,
    label,
    ...cost,
    score: (split, episodes) => scoreOn(work, split, episodes, () => work.loadPolicy(id).policy),
  });
  const data = minutesOf(work, "collect", "tokenizer");
  const clones = minutesOf(work, "cloning") / 2;
  const most = Math.max(...config.modelFree.multiples);
  const dream = data + clones + minutesOf(work, "worldmodel", "imagination", "dyna");
  return [
    saved("cloning", "cloning", { realFrames: frames, minutes: data + clones }),
    saved("filtered", "filtered cloning", { realFrames: frames, minutes: data + clones }),
    ...config.modelFree.multiples.map((multiple) =>
      saved(modelFreePolicy(multiple), `model-free PPO, ${multiple}× frames`, {
        realFrames: multiple * realFrames(work),
        minutes: minutesOf(work, "tokenizer") + (minutesOf(work, "model-free") * multiple) / most,
      }),
    ),
    saved(imaginedPolicy, "PPO in imagination", { realFrames: realFrames(work), minutes: dream }),
    ...(config.planner.enabled ? [plannerCandidate(work, dream)] : []),
    ...(config.goalPlanner?.enabled === true ? [goalCandidate(work, config.goalPlanner.episodes)] : []),
  ];
}

function plannerCandidate(work: Workspace, minutes: number): Candidate {
  const { policy } = work.loadPolicy(imaginedPolicy);
  const {
    model,
    planner: config,
    seed,
  } = { model: work.model(), planner: work.config.planner, seed: work.seed };
  return {
    id: "planner",
    label: "planner on the world model",
    realFrames: realFrames(work),
    minutes,
    score: (split, episodes) =>
      scoreOn(work, split, Math.min(episodes, config.episodes), ({ latent }) =>
        makePlanner({
          model,
          policy,
          objective: imaginedReturn(model, policy, config),
          state: () => latent.latentState,
          config,
          seed,
        }),
      ),
  };
}

function goalCandidate(work: Workspace, most: number): Candidate {
  return {
    id: "goal",
    label: "planner to a goal image (no reward, no policy)",
    realFrames: realFrames(work),
    minutes: minutesOf(work, "collect", "tokenizer", "worldmodel", "dyna"),
    score: (split, episodes) => scoreGoalPlanner(work, split, Math.min(episodes, most)),
  };
}

const order = ["random", "behaviour", "cloning", "filtered", "ppo", "imagined", "planner", "goal", "expert"];

function rank(id: string): number {
  return order.findIndex((prefix) => id.startsWith(prefix));
}

/** Judge every policy and the model; write `verdict.json`. */
export async function judge(work: Workspace): Promise<void> {
  const { config, context } = work;
  const candidates = [...scripted(work), ...learned(work)].sort((a, b) => rank(a.id) - rank(b.id));
  const policies: PolicyVerdict[] = [];
  for (const [i, candidate] of candidates.entries()) {
    context.progress(i / (candidates.length + 1), candidate.label);
    const { id, label, minutes } = candidate;
    const test = await candidate.score("test", config.judge.episodes);
    const train = await candidate.score("train", config.judge.trainEpisodes);
    policies.push({ id, label, realFrames: candidate.realFrames, minutes, test, train });
    await safePoint(context.signal);
  }
  context.progress(candidates.length / (candidates.length + 1), "world model");
  const verdict: SeedVerdict = { seed: work.seed, policies, ...(await judgeModels(work)) };
  writeAtomicallySync(work.file("verdict.json"), new TextEncoder().encode(JSON.stringify(verdict)));
}
