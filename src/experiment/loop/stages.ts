/** @file The stages of learning in an imagined world, repeated for every seed; the same for every task. */

import type { EvaluateOptions, Experiment } from "../experiment.ts";
import type { ReturnsOptions } from "../policy-returns.ts";
import type { Stage, StageContext } from "../stages.ts";
import { gradedReturns } from "../worldmodel-report/graded-policies.ts";
import type { LoopConfig } from "./config.ts";
import { loopScores } from "./scores.ts";
import { cloneBehaviour } from "./stage-cloning.ts";
import { collect, trainTokenizer } from "./stage-data.ts";
import { dynaRounds } from "./stage-dyna.ts";
import { learnInImagination } from "./stage-imagination.ts";
import { judge } from "./stage-judge.ts";
import { learnModelFree } from "./stage-modelfree.ts";
import { draw } from "./stage-pictures.ts";
import { summarizeRun } from "./stage-summary.ts";
import { trainWorldModel } from "./stage-worldmodel.ts";
import type { LoopTask } from "./task.ts";
import { watchPolicy } from "./watch.ts";
import { Workspace } from "./workspace.ts";

type Work = (work: Workspace) => Promise<void>;
type TaskOf<C extends LoopConfig> = (config: C) => LoopTask;

const seedsOf = (config: LoopConfig): number[] =>
  Array.from({ length: config.seeds }, (_, k) => config.seed + k);

function openWorkspace(task: LoopTask, config: LoopConfig, context: StageContext, seed: number): Workspace {
  const { runDir, log } = context;
  const files = { path: runDir.path, file: (...parts: string[]) => runDir.file(...parts), log };
  const work = new Workspace(task, config, files, seed);
  work.attach(context);
  return work;
}

/** The workspace of the seed in hand: stages of one seed run one after another and share what is loaded. */
function makeDesk(task: LoopTask): (config: LoopConfig, context: StageContext, seed: number) => Workspace {
  let present: Workspace | undefined;
  return (config, context, seed) => {
    if (present?.seed === seed) present.attach(context);
    else {
      present?.release();
      present = openWorkspace(task, config, context, seed);
    }
    return present;
  };
}

function seedStages(config: LoopConfig): { name: string; weight: number; work: Work }[] {
  const { collect: recording, tokenizer, worldmodel, imagination, modelFree } = config;
  const modelWeight = worldmodel.phases.reduce(
    (sum, phase) => sum + phase.steps * phase.horizon * phase.batchSize,
    0,
  );
  const frames = Math.max(...modelFree.multiples) * recording.frames;
  return [
    { name: "collect", weight: recording.frames / 6000, work: collect },
    { name: "tokenizer", weight: (tokenizer.steps * tokenizer.batchSize) / 800, work: trainTokenizer },
    { name: "worldmodel", weight: (modelWeight * worldmodel.members) / 1500, work: trainWorldModel },
    { name: "cloning", weight: 20, work: cloneBehaviour },
    { name: "imagination", weight: imagination.iterations, work: learnInImagination },
    {
      name: "dyna",
      weight: imagination.rounds * (imagination.roundIterations + imagination.roundModelSteps / 3),
      work: dynaRounds,
    },
    { name: "model-free", weight: frames / 2000, work: learnModelFree },
    { name: "judge", weight: config.planner.enabled ? 90 : 30, work: judge },
    { name: "pictures", weight: 8, work: draw },
  ];
}

function stagesOf<C extends LoopConfig>(taskOf: TaskOf<C>, config: C): Stage<C>[] {
  const deskOf = makeDesk(taskOf(config));
  const perSeed = seedsOf(config).flatMap((seed) =>
    seedStages(config).map(({ name, weight, work }) => ({
      name: config.seeds === 1 ? name : `${name} (seed ${seed})`,
      weight,
      run: (settings: C, context: StageContext) => work(deskOf(settings, context, seed)),
    })),
  );
  const run = (settings: C, context: StageContext) => summarizeRun(taskOf(settings), settings, context);
  return [...perSeed, { name: "summary", weight: 0.1, run }];
}

async function evaluateRun<C extends LoopConfig>(
  taskOf: TaskOf<C>,
  config: C,
  context: StageContext,
  { episodes }: EvaluateOptions,
): Promise<void> {
  const judged = episodes === undefined ? config.judge : { episodes, trainEpisodes: episodes };
  const settings = { ...config, judge: judged };
  const task = taskOf(settings);
  for (const seed of seedsOf(config)) await judge(openWorkspace(task, settings, context, seed));
  await summarizeRun(task, settings, context);
}

/** What an experiment of this kind is, but for its title and schema, from what its task is. */
export function makeLoop<C extends LoopConfig>(taskOf: TaskOf<C>) {
  return {
    stages: (config: C) => stagesOf(taskOf, config),
    evaluate: (config: C, context: StageContext, options: EvaluateOptions) =>
      evaluateRun(taskOf, config, context, options),
    scores: (config: C, runPath: string) => loopScores(taskOf(config), config, runPath),
    watch: (config: C, runPath: string) => watchPolicy(taskOf(config), config, runPath),
    policyReturns: (config: C, runPath: string, options: ReturnsOptions) =>
      gradedReturns(taskOf(config), config, runPath, options),
  } satisfies Partial<Experiment<C>>;
}
