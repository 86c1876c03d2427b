/** @file Clones that have learned for a short time only: policies between random and the run's own clone. */

import { learningRateAt } from "../../src/nn/schedules.ts";
import { Rng } from "../../src/core/rng.ts";
import { listEpisodes, loadEpisode } from "../../src/data/episode-store.ts";
import { encodeInto } from "../../src/worldmodel/latent/latent-replay.ts";
import { makeCloner } from "../../src/policy/cloning.ts";
import { makeActorCritic } from "../../src/policy/networks.ts";
import { cloningBatch } from "../../src/experiment/loop/stage-cloning.ts";
import type { Workspace } from "../../src/experiment/loop/workspace.ts";
import { withNoise, type GradedPolicy } from "../../src/experiment/worldmodel-report/graded-policies.ts";

const lengths = [15, 40, 100, 250];
const episodesUsed = 80;

/** One clone after each of some numbers of steps, all of one training on part of the run's behaviour data. */
export async function earlyClones(work: Workspace): Promise<GradedPolicy[]> {
  const replay = work.emptyReplay();
  const files = await listEpisodes(work.episodeFolder("train"));
  const some = files.filter((_, i) => i % Math.ceil(files.length / episodesUsed) === 0);
  for (const file of some) await encodeInto(replay, [await loadEpisode(file)], work.tokenizer());
  const model = work.model();
  const policy = work.newPolicy("early-clone");
  const cloner = makeCloner(policy, { weightDecay: 0.01 });
  const schedule = { peak: 0.001, warmupSteps: 20, totalSteps: Math.max(...lengths), decayFraction: 0 };
  const clones: GradedPolicy[] = [];
  for (let i = 1; i <= Math.max(...lengths); i++) {
    const batch = cloningBatch(model, replay, { batchSize: 256, rng: Rng.fromSeed([90, work.seed, i]) });
    await cloner.step(batch, learningRateAt(schedule, i));
    if (!lengths.includes(i)) continue;
    const kept = makeActorCritic(policy.config, structuredClone(policy.params()));
    clones.push({ name: `clone after ${i} steps`, policy: withNoise(kept, 0) });
  }
  return clones;
}
