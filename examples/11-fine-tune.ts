/** @file The world model of example 07 tuned to another car, whose steering is wired the wrong way round: an adapter beside it. */

import { statSync } from "node:fs";
import { join } from "node:path";
import * as reverie from "../src/index.ts";
import type { ActionSpec, Episode, NdArray, Tokenizer } from "../src/index.ts";

/** The same drives as the other car's driver would have recorded them: what steered left was called right. */
function rewired(episode: Episode): Episode {
  const data = episode.actions.data.map((value, i) => (i % 2 === 0 ? -value : value));
  return { ...episode, actions: { ...episode.actions, data } };
}

async function encoded(tokenizer: Tokenizer, episodes: readonly Episode[]) {
  const replay = reverie.makeLatentReplay(tokenizer, { stateSize: 3, actionSize: 2 });
  await reverie.encodeInto(replay, episodes, tokenizer);
  return replay;
}

/** Steering angle, rad, after a hard left of the first episode's car, by a model. */
async function steerLeft(
  model: ReturnType<typeof reverie.loadAdapted>,
  replay: Awaited<ReturnType<typeof encoded>>,
) {
  const contexts = reverie.makeReplayContexts(model, replay);
  const rng = reverie.Rng.fromSeed(3);
  const left: NdArray<"float32"> = reverie.float32([1, 0], [1, 2]);
  const { state } = await model.step(contexts.sample(1, rng), left, rng);
  return (await model.decode(state)).state.data[2];
}

/** Tune; gives back losses on both cars before and after, the share of numbers trained, the adapter's bytes, and both steerings. */
export async function adapt(folder: string, options: { steps?: number } = {}) {
  const { steps = 300 } = options;
  const file = (name: string) => join(folder, name);
  const tokenizer = reverie.loadContinuousTokenizer(file("tokenizer.safetensors"), reverie.Rng.fromSeed(0));
  const base = reverie.openTunable(file("worldmodel.safetensors"), tokenizer);
  const episodes = await reverie.loadEpisodes(file("episodes"));
  const [old, fresh] = [await encoded(tokenizer, episodes), await encoded(tokenizer, episodes.map(rewired))];
  // What the new car's numbers mean goes with the adapter: the base's actions are another thing.
  const actionSpec: ActionSpec = { ...base.actionSpec, names: ["wrong-way steer", "pedal"] };
  const phase = { batchSize: 32, horizon: 2, terminalFraction: 0.1 };
  const rng = reverie.Rng.fromSeed(1);
  const method = { kind: "lora", rank: 8, alpha: 16 } as const;
  const tuner = reverie.makeFineTuner({ base, method, replay: fresh, phase, actionSpec, rng });
  const losses = async () => ({
    fresh: (await tuner.losses(fresh, 4, 0)).state,
    old: (await tuner.losses(old, 4, 0)).state,
  });
  const before = await losses();
  const schedule = { peak: 0.004, warmupSteps: 5, totalSteps: steps, decayFraction: 0.5 };
  for (let i = 0; i < steps; i++)
    await tuner.step(i, reverie.learningRateAt(schedule, i), reverie.Rng.fromSeed([2, i]));
  const after = await losses();
  reverie.saveAdapter(file("rewired.safetensors"), tuner.adapter()!, base, tuner.facts);
  const adapted = reverie.loadAdapted(
    file("worldmodel.safetensors"),
    file("rewired.safetensors"),
    tokenizer,
    { actionSpec },
  );
  const plain = reverie.loadLatentModel(file("worldmodel.safetensors"), tokenizer);
  return {
    before,
    after,
    share: tuner.trained / tuner.total,
    bytes: statSync(file("rewired.safetensors")).size,
    steering: { base: await steerLeft(plain, old), adapted: await steerLeft(adapted, fresh) },
  };
}

if (import.meta.url === `file://${process.argv[1]}`)
  console.log(await adapt(process.argv[2] ?? "runs/examples/driving"));
