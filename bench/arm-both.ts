/**
 * @file One world model for reaching and pushing against one of each: the same recordings and tokenizer, the same training
 * steps per task, measured on the same windows and goals.
 */

import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { openArmRun } from "../examples/robot-arm/run-folder.ts";
import { loadEpisodes, saveEpisode } from "../src/data/episode-store.ts";
import type { Episode } from "../src/data/episode.ts";
import { armSchema, type ArmConfig } from "../src/experiment/arm/config.ts";
import { loadConfig } from "../src/experiment/config/config.ts";
import { behaviourEnds, encode, openLoop } from "../src/experiment/loop/model-verdict.ts";
import { scoreOn } from "../src/experiment/loop/scoring.ts";
import { cloneBehaviour } from "../src/experiment/loop/stage-cloning.ts";
import { collect, trainTokenizer } from "../src/experiment/loop/stage-data.ts";
import { trainWorldModel } from "../src/experiment/loop/stage-worldmodel.ts";
import { partsOf, type LoopTask } from "../src/experiment/loop/task.ts";
import { Workspace } from "../src/experiment/loop/workspace.ts";
import { summarize } from "../src/policy/evaluate.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "runs/arm-both" },
    episodes: { type: "string", default: "60" },
  },
});

/** Test goals per policy and task; 0 measures the world models alone. */
const count = Number(values.episodes);
const parts = ["ArmReach-v0", "ArmPush-v0"] as const;
const [path = "experiments/arm/both.yaml", ...overrides] = positionals;
const config = loadConfig(armSchema, path, ["name=arm-both", ...overrides]);

/** The config of one task alone: its share of the frames and of every training's steps. */
function alone(env: (typeof parts)[number]): ArmConfig {
  const share = (steps: number): number => Math.round(steps / parts.length);
  const phases = config.worldmodel.phases.map((phase) => ({ ...phase, steps: share(phase.steps) }));
  return {
    ...config,
    env,
    collect: { ...config.collect, frames: share(config.collect.frames) },
    worldmodel: { ...config.worldmodel, phases },
    cloning: { ...config.cloning, steps: share(config.cloning.steps) },
  };
}

interface Opened {
  readonly folder: string;
  readonly work: Workspace;
  readonly close: () => void;
}

function open(name: string, settings: ArmConfig): Opened {
  const folder = join(values.out, name);
  mkdirSync(join(folder, "checkpoints"), { recursive: true });
  writeFileSync(join(folder, "config.yaml"), stringify(settings));
  return { folder, ...openArmRun(folder, { rounds: 0 }) };
}

async function unlessDone(file: string, stage: () => Promise<void>): Promise<void> {
  if (!existsSync(file)) await stage();
}

/** An episode of the whole as the task alone records it: without the task's number. */
function untold(episode: Episode): Episode {
  const [rows, width] = episode.states.shape;
  const data = new Float32Array(rows * (width - 1));
  for (let t = 0; t < rows; t++)
    data.set(episode.states.data.subarray(t * width, (t + 1) * width - 1), t * (width - 1));
  return { ...episode, states: { dtype: "float32", shape: [rows, width - 1], data } };
}

/** Give a task alone the recordings and the tokenizer of both. */
async function share(from: Workspace, to: Workspace): Promise<void> {
  cpSync(from.file("tokenizer.safetensors"), to.file("tokenizer.safetensors"));
  for (const split of ["train", "validation"]) {
    rmSync(to.episodeFolder(split), { recursive: true, force: true });
    for (const episode of await loadEpisodes(from.episodeFolder(split)))
      if (episode.meta.env === to.task.id) await saveEpisode(to.episodeFolder(split), untold(episode));
  }
}

/** What the model and the filtered clone of `opened` are worth on `task`, one of its parts. */
async function measure({ folder, work }: Opened, task: LoopTask): Promise<Record<string, unknown>> {
  const files = { path: folder, file: (...names: string[]) => join(folder, ...names), log: () => undefined };
  const part = new Workspace(task, work.config, files, work.seed);
  const episodes = (await work.episodes("validation")).filter(({ meta }) => meta.env === task.id);
  const encoded = await encode(part, episodes);
  const horizons = await openLoop(part, encoded);
  const ends = await behaviourEnds(part, encoded);
  const success: Record<string, number> = {};
  for (const id of count > 0 ? ["cloning", "filtered"] : []) {
    const scores = await scoreOn(part, "test", count, () => part.loadPolicy(id).policy);
    success[id] = summarize(scores).terminatedRate;
  }
  const tip = task.reportedStates.map(({ index }) => index);
  return {
    task: task.id,
    ...Object.fromEntries(
      horizons.map(({ horizon, psnr, reconstruction, stateError }) => [
        `${horizon} steps`,
        {
          psnr: psnr.toFixed(2),
          ceiling: reconstruction.toFixed(2),
          state: tip.map((index) => stateError[index].toPrecision(3)).join(" "),
        },
      ]),
    ),
    ends: ends.map(({ label, probability }) => `${label}: ${probability.toFixed(2)}`).join(", "),
    ...success,
  };
}

async function learn(opened: Opened): Promise<void> {
  const { work } = opened;
  await unlessDone(work.file("worldmodel.safetensors"), () => trainWorldModel(work));
  if (count > 0) await unlessDone(work.file("policies", "filtered.safetensors"), () => cloneBehaviour(work));
  for (const task of partsOf(work.task)) {
    const row = { model: work.task.id, ...(await measure(opened, task)) };
    process.stdout.write(`${JSON.stringify(row)}\n`);
  }
}

const whole = open("both", config);
await unlessDone(whole.work.episodeFolder("validation"), () => collect(whole.work));
await unlessDone(whole.work.file("tokenizer.safetensors"), () => trainTokenizer(whole.work));
await learn(whole);
for (const id of parts) {
  const single = open(id, alone(id));
  await share(whole.work, single.work);
  await learn(single);
  single.close();
}
whole.close();
