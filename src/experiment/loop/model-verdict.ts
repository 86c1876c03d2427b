/** @file Measuring a seed's world model on validation worlds: on the behaviour's episodes and on the learned policy's own. */

import { rmSync } from "node:fs";
import { saveEpisode } from "../../data/episode-store.ts";
import type { Episode } from "../../data/episode.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import { encodeInto } from "../../worldmodel/latent/latent-replay.ts";
import { crashCalibration, type CrashCalibration } from "../../worldmodel/measures/calibration.ts";
import { openLoopScores, type HorizonScore } from "../../worldmodel/measures/evaluate.ts";
import { safePoint } from "../stages.ts";
import { imaginationGap, type ImaginationGap } from "./gap.ts";
import { policyChooser, recordEpisodes } from "./recording.ts";
import { imaginedPolicy } from "./stage-imagination.ts";
import { partsOf, type LoopTask } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** What is measured of a world model. */
export interface ModelVerdict {
  readonly horizons: readonly HorizonScore[];
  readonly ends: {
    readonly behaviour: readonly CrashCalibration[];
    readonly policy: readonly CrashCalibration[];
  };
  readonly gap: ImaginationGap;
}

/** Recorded episodes, and the same encoded by the seed's tokenizer. */
export interface Encoded {
  readonly episodes: readonly Episode[];
  readonly replay: LatentReplay;
}

/** Validation episodes: the behaviour's, and the learned policy's with its exploration. */
interface Judged {
  readonly behaviour: Encoded;
  readonly own: Encoded;
}

/** Episodes of the learned policy with its exploration noise: what the model must foresee too. */
async function recordOwn(work: Workspace, task: LoopTask): Promise<Episode[]> {
  const env = await task.makeEnv({ numEnvs: 32, split: "validation", wideStarts: true });
  const { policy } = work.loadPolicy(imaginedPolicy);
  const episodes: Episode[] = [];
  await recordEpisodes({
    env,
    choose: policyChooser(work.model(), policy, work.rng("own-rollouts")),
    seed: work.seed * 100_003 + 3_000_000,
    episodes: 48,
    prefix: task === work.task ? "policy" : `policy-${task.id}`,
    meta: { env: task.id, split: "validation", policy: imaginedPolicy, seed: work.seed },
    onEpisode: async (episode) => {
      await saveEpisode(work.episodeFolder("policy"), episode);
      episodes.push(episode);
      await safePoint(work.context.signal);
    },
  });
  await env.close();
  return episodes;
}

/** Encode `episodes` for the measures below. */
export async function encode(work: Workspace, episodes: readonly Episode[]): Promise<Encoded> {
  const replay = work.emptyReplay();
  await encodeInto(replay, episodes, work.tokenizer());
  return { episodes, replay };
}

/** Steps ahead at which open-loop prediction is reported, where validation episodes are that long. */
const reportedHorizons = [1, 5, 15, 30];

/** Open-loop prediction of the seed's model over recorded episodes. */
export async function openLoop(work: Workspace, { episodes, replay }: Encoded): Promise<HorizonScore[]> {
  const longest = Math.max(...replay.episodes.map(({ length }) => length));
  return openLoopScores({
    model: work.model(),
    replay,
    frames: episodes.map((episode) => episode.frames),
    horizons: reportedHorizons.filter((horizon) => horizon < longest),
    windows: 128,
    rng: work.rng("open-loop"),
  });
}

/** Are the ends of the behaviour's episodes foreseen by the seed's model? */
export function behaviourEnds(work: Workspace, { replay }: Encoded): Promise<CrashCalibration[]> {
  return crashCalibration({ model: work.model(), replay, windows: 128, rng: work.rng("crash-behaviour") });
}

async function judgeModel(work: Workspace, { behaviour, own }: Judged): Promise<ModelVerdict> {
  const model = work.model();
  const { replay } = own;
  const horizons = await openLoop(work, behaviour);
  const ends = {
    behaviour: await behaviourEnds(work, behaviour),
    policy: await crashCalibration({ model, replay, windows: 128, rng: work.rng("crash-policy") }),
  };
  const { policy } = work.loadPolicy(imaginedPolicy);
  const rng = work.rng("gap");
  const gap = await imaginationGap({ model, replay, policy, horizon: 15, windows: 256, rng });
  return { horizons, ends, gap };
}

/** The seed's model on all episodes; where its task is a union, on those of each part too. */
export async function judgeModels(
  work: Workspace,
): Promise<ModelVerdict & { readonly parts?: readonly ModelVerdict[] }> {
  rmSync(work.episodeFolder("policy"), { recursive: true, force: true });
  const episodes = await work.episodes("validation");
  const tasks = partsOf(work.task);
  const own: Episode[][] = [];
  for (const task of tasks) own.push(await recordOwn(work, task));
  const behaviour = { episodes, replay: await work.replay("validation") };
  const whole = await judgeModel(work, { behaviour, own: await encode(work, own.flat()) });
  if (tasks.length === 1) return whole;
  const parts: ModelVerdict[] = [];
  for (const [k, { id }] of tasks.entries()) {
    const recorded = episodes.filter(({ meta }) => meta.env === id);
    const judged = { behaviour: await encode(work, recorded), own: await encode(work, own[k]) };
    parts.push(await judgeModel(work, judged));
  }
  return { ...whole, parts };
}
