/** @file A number in the state tells tasks apart: for the same picture and action, one model answers as each task does. */

import { expect, it } from "vitest";
import { float32, zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { makeLatentWorldModel } from "../../src/worldmodel/latent/latent-model.ts";
import { makeLatentReplay } from "../../src/worldmodel/latent/latent-replay.ts";
import { fitNormalizers } from "../../src/worldmodel/normalizers.ts";
import { actionSpec, configOf, latentsOf, lineTokenizer, lineTrainer, randomEpisodes } from "./line-world.ts";

const GOAL = 0.6;

/** The line twice: task 0 pays the place and has no end, task 1 pays its opposite and ends beyond `GOAL`. */
function twoTasks() {
  const replay = makeLatentReplay(lineTokenizer, { stateSize: 1, actionSize: 1 });
  for (const [k, episode] of randomEpisodes(120, 8, 1).entries()) {
    const task = k % 2;
    const goal = task === 1 ? episode.positions.findIndex((x, t) => t > 0 && x > GOAL) : -1;
    const steps = goal === -1 ? episode.actions.length : goal;
    const positions = episode.positions.slice(0, steps + 1);
    const reward = float32(positions.slice(1).map((x) => (task === 1 ? -x : x)));
    const columns = {
      latent: latentsOf(positions),
      state: float32(new Array<number>(steps + 1).fill(task), [steps + 1, 1]),
      action: float32(episode.actions.slice(0, steps), [steps, 1]),
      reward,
    };
    replay.add({ columns, terminated: goal !== -1, truncated: goal === -1 });
  }
  return replay;
}

it("gives another reward and another end for the same picture and action under another number", async () => {
  const replay = twoTasks();
  const config = configOf("deterministic");
  const trainer = lineTrainer(replay, config);
  const phase = { horizon: 2, batchSize: 64, terminalFraction: 0.2, recentFraction: 0, recentEpisodes: 1 };
  for (let i = 0; i < 240; i++)
    await trainer.step(0, phase, 0.01 * Math.min(1, 2 * (1 - i / 240)), Rng.fromSeed([41, i]));
  const normalizers = fitNormalizers(replay, 1);
  const parts = { config, members: trainer.members(), normalizers, tokenizer: lineTokenizer, actionSpec };
  const model = makeLatentWorldModel(parts);
  // Two rows at one place, told apart by the number alone; the first action stays short of the goal, the second passes it.
  const at = { ...latentsOf([0.2, 0.2]), shape: [2, 1, 2] };
  const start = model.fromLatents(at, float32([0, 1], [2, 1, 1]), zeros("float32", [2, 0, 1]));
  const short = await model.step(start, float32([0.4, 0.4], [2, 1]), Rng.fromSeed(1));
  const beyond = await model.step(start, float32([1, 1], [2, 1]), Rng.fromSeed(1));
  expect(short.rewards.data[0]).toBeCloseTo(0.4, 0.7);
  expect(short.rewards.data[1]).toBeCloseTo(-0.4, 0.7);
  expect(Math.max(...short.terminatedProbabilities.data)).toBeLessThan(0.3);
  expect(beyond.terminatedProbabilities.data[0]).toBeLessThan(0.3);
  expect(beyond.terminatedProbabilities.data[1]).toBeGreaterThan(0.6);
});
