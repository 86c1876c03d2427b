/** @file Real episodes on disk: a scripted driver drives the simulator, a recorder writes every episode, a replay samples windows. */

import { join } from "node:path";
import {
  lengthOf,
  loadEpisodes,
  makeBehaviour,
  makeVec,
  openRecorder,
  RecordedEnv,
  Rng,
  withAutoreset,
  zeros,
} from "../src/index.ts";
import type { DrivingVecEnv } from "../src/index.ts";

/** Drive `steps` steps in each of `numEnvs` simulators into `folder`/episodes; gives back what was recorded. */
export async function record(
  folder: string,
  options: { numEnvs?: number; steps?: number; seed?: number } = {},
) {
  const { numEnvs = 16, steps = 400, seed = 0 } = options;
  const made = await makeVec("DriveTrack-v0", { numEnvs, wideStarts: true, autoreset: "disabled" });
  const simulator = made.primitive as unknown as DrivingVecEnv;
  const recorder = await openRecorder(join(folder, "episodes"));
  const meta = { env: "DriveTrack-v0", policy: "behaviour", seed };
  // The recorder stands between the simulator and the autoreset: it sees every row's episodes begin and end.
  const env = withAutoreset(new RecordedEnv(simulator, recorder, { meta }), "same-step");
  const driver = makeBehaviour(simulator);
  const rng = Rng.fromSeed(seed);
  const begins = zeros("bool", [numEnvs]);
  await env.reset({ seed });
  driver.begin();
  for (let t = 0; t < steps; t++) {
    const { finalMask } = await env.step(driver.act(rng));
    begins.data.set(finalMask!.data);
    if (begins.data.includes(1)) driver.begin(begins);
  }
  await env.close(); // episodes that are under way end here, as truncated
  await recorder.flush();
  return summarize(folder);
}

/** What lies in `folder`/episodes. */
export async function summarize(folder: string) {
  const episodes = await loadEpisodes(join(folder, "episodes"));
  return {
    episodes: episodes.length,
    steps: episodes.reduce((sum, episode) => sum + lengthOf(episode), 0),
    crashes: episodes.filter(({ terminated }) => terminated).length,
    frames: episodes[0].frames.shape,
  };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const folder = process.argv[2] ?? "runs/examples/driving";
  console.log(await record(folder), `in ${folder}/episodes`);
}
