/** @file Learning and planning in a dream: the model of example 07 as an environment, PPO inside it, the real task as judge. */

import { join } from "node:path";
import * as reverie from "../src/index.ts";
import type { LatentWorldModel, NdArray, Policy, PpoConfig, VectorEnv } from "../src/index.ts";

const passes = { epochs: 4, criticEpochs: 4, criticRate: 2, minibatches: 4, clipNorm: 1, klLimit: 0.03 };
const limits = { clip: 0.2, entropyCoefficient: 0.003, anchorCoefficient: 0 };
const ppo: PpoConfig = { discount: 0.98, gaeLambda: 0.95, ...passes, ...limits };
const search = { horizon: 4, samples: 10, policySamples: 5, iterations: 1, replanEvery: 4, temperature: 0.5 };
const noise = { initialStd: 0.4, minStd: 0.05 };
const planning = { discount: 0.98, uncertaintyPenalty: 0, terminationReward: -10, ...search, ...noise };

async function load(folder: string) {
  const tokenizer = reverie.loadContinuousTokenizer(
    join(folder, "tokenizer.safetensors"),
    reverie.Rng.fromSeed(0),
  );
  const model = reverie.loadLatentModel(join(folder, "worldmodel.safetensors"), tokenizer);
  const replay = reverie.makeLatentReplay(tokenizer, { stateSize: 3, actionSize: 2 });
  await reverie.encodeInto(replay, await reverie.loadEpisodes(join(folder, "episodes")), tokenizer);
  return { model, replay };
}

type PixelEnv = Parameters<typeof reverie.withLatentObservations>[0];
type Features = NdArray<"float32">;

/** Mean return in the real simulator, on tracks that nobody drove for the data. */
async function judge(
  model: LatentWorldModel,
  episodes: number,
  make: (env: ReturnType<typeof reverie.withLatentObservations>) => Policy<Features>,
) {
  const unseen = { split: "test", autoreset: "disabled" } as const;
  const real = await reverie.makeVec("DriveTrack-v0", { numEnvs: episodes, ...unseen });
  const env = reverie.withLatentObservations(real.primitive as unknown as PixelEnv, model);
  return reverie.summarize(await reverie.evaluatePolicy({ env, policy: make(env), seed: 5 })).mean;
}

/** Learn from imagined rollouts only, then drive for real: the untrained policy, the learned one, and the planner. */
export async function dream(
  folder: string,
  options: { iterations?: number; episodes?: number; numEnvs?: number } = {},
) {
  const { iterations = 30, episodes = 8, numEnvs = 128 } = options;
  const { model, replay } = await load(folder);
  const contexts = reverie.makeReplayContexts(model, replay);
  const imagined = reverie.makeImaginedEnv({ model, contexts, numEnvs, horizon: 15, termination: "soft" });
  const env: VectorEnv<Features, Features> = reverie.withAutoreset(imagined, "same-step");
  const rng = reverie.Rng.fromSeed(4);
  const layers = { observationSize: model.featureSize, actionSize: 2, hidden: [128] };
  const network = { ...layers, initialLogStd: -1, valueScale: 15 };
  const policy = reverie.makeActorCritic(network, reverie.initActorCritic(rng, network));
  const untrained = await judge(model, episodes, () => policy);
  const learner = reverie.makePpo(policy, ppo);
  const rewards: number[] = [];
  for (let i = 0; i < iterations; i++) {
    const cursor = await reverie.beginRollout(env, i);
    const rollout = await reverie.collectRollout({ env, policy, steps: 15, rng, cursor });
    await learner.update(rollout, { learningRate: 0.0005, rng, criticOnly: i < 3 });
    rewards.push(rollout.rewards.reduce((sum, r) => sum + r, 0) / rollout.rewards.length);
  }
  const learned = await judge(model, episodes, () => policy);
  const objective = reverie.imaginedReturn(model, policy, planning);
  const parts = { model, policy, objective, config: planning, seed: 6 };
  const planner = await judge(model, episodes, (real) =>
    reverie.makePlanner({ ...parts, state: () => real.latentState }),
  );
  return { imaginedReward: [rewards[0], rewards[rewards.length - 1]], untrained, learned, planner };
}

if (import.meta.url === `file://${process.argv[1]}`)
  console.log(await dream(process.argv[2] ?? "runs/examples/driving"));
