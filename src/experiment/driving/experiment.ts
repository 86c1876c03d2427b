/** @file The driving experiment: its stages, repeated for every seed, and the tables at the end. */

import type { EvaluateOptions, Experiment } from "../experiment.ts";
import type { Stage, StageContext } from "../stages.ts";
import { drivingSchema, type DrivingConfig } from "./config.ts";
import { playDriving } from "./play.ts";
import { drivingScores } from "./scores.ts";
import { cloneBehaviour } from "./stage-cloning.ts";
import { collect, trainTokenizer } from "./stage-data.ts";
import { dynaRounds } from "./stage-dyna.ts";
import { learnInImagination } from "./stage-imagination.ts";
import { learnModelFree } from "./stage-modelfree.ts";
import { judge } from "./stage-judge.ts";
import { draw } from "./stage-pictures.ts";
import { summarizeRun } from "./stage-summary.ts";
import { trainWorldModel } from "./stage-worldmodel.ts";
import { watchDriving } from "./watch.ts";
import { Workspace } from "./workspace.ts";

type Work = (work: Workspace) => Promise<void>;

const seedsOf = (config: DrivingConfig): number[] =>
  Array.from({ length: config.seeds }, (_, k) => config.seed + k);

function openWorkspace(config: DrivingConfig, context: StageContext, seed: number): Workspace {
  const { runDir, log } = context;
  const work = new Workspace(
    config,
    { path: runDir.path, file: (...parts) => runDir.file(...parts), log },
    seed,
  );
  work.attach(context);
  return work;
}

/** The workspace of the seed in hand: stages of one seed run one after another and share what is loaded. */
function makeDesk(): (config: DrivingConfig, context: StageContext, seed: number) => Workspace {
  let present: Workspace | undefined;
  return (config, context, seed) => {
    if (present?.seed === seed) present.attach(context);
    else {
      present?.release();
      present = openWorkspace(config, context, seed);
    }
    return present;
  };
}

function seedStages(config: DrivingConfig): { name: string; weight: number; work: Work }[] {
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

function stages(config: DrivingConfig): Stage<DrivingConfig>[] {
  const deskOf = makeDesk();
  const perSeed = seedsOf(config).flatMap((seed) =>
    seedStages(config).map(({ name, weight, work }) => ({
      name: config.seeds === 1 ? name : `${name} (seed ${seed})`,
      weight,
      run: (settings: DrivingConfig, context: StageContext) => work(deskOf(settings, context, seed)),
    })),
  );
  return [...perSeed, { name: "summary", weight: 0.1, run: summarizeRun }];
}

async function evaluate(
  config: DrivingConfig,
  context: StageContext,
  { episodes }: EvaluateOptions,
): Promise<void> {
  const judged = episodes === undefined ? config.judge : { episodes, trainEpisodes: episodes };
  const settings = { ...config, judge: judged };
  for (const seed of seedsOf(config)) await judge(openWorkspace(settings, context, seed));
  await summarizeRun(settings, context);
}

/** `experiment: driving` */
export const drivingExperiment: Experiment<DrivingConfig> = {
  title: "A driving planner learned inside an imagined world, judged in the real simulator",
  schema: drivingSchema,
  stages,
  evaluate,
  scores: drivingScores,
  play: playDriving,
  watch: watchDriving,
};
