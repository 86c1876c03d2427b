/** @file Many environments at once: the three autoreset modes, masks, info columns, worker threads, snapshots and forks. */

import { infoAt, makeVec, ndarray, wrappers } from "../src/index.ts";
import type { AutoresetMode } from "../src/index.ts";

/** Random steps in one mode; counts the real transitions, which NEXT_STEP's artificial ones are not. */
export async function transitionsUnder(autoreset: AutoresetMode, steps = 200): Promise<number> {
  const envs = await makeVec("CartPole-v1", { numEnvs: 8, autoreset, mode: "sync" });
  await envs.reset({ seed: 1 });
  envs.actionSpace.seed(1);
  let real = 0;
  for (let t = 0; t < steps; t++) {
    const step = await envs.step(envs.actionSpace.sample());
    real += step.valid.data.reduce((sum, flag) => sum + flag, 0);
    if (autoreset !== "disabled") continue;
    // Nobody resets for us: reset the rows that ended, and leave the others alone.
    const ended = step.terminations.data.map((flag, i) => flag | step.truncations.data[i]);
    if (ended.includes(1)) await envs.reset({ mask: ndarray("bool", [8], ended) });
  }
  await envs.close();
  return real;
}

/** Under SAME_STEP the last observation and the last info of an episode stand beside the next one's first. */
export async function firstEpisodeEnd(): Promise<{ row: number; length: number; lastAngleRad: number }> {
  const envs = wrappers.RecordEpisodeStatistics(
    await makeVec("CartPole-v1", { numEnvs: 4, autoreset: "same-step", mode: "sync" }),
  );
  await envs.reset({ seed: 1 });
  envs.actionSpace.seed(1);
  for (;;) {
    const step = await envs.step(envs.actionSpace.sample());
    const row = step.finalMask!.data.indexOf(1);
    if (row < 0) continue;
    const { l } = infoAt(step.finalInfos!, row).episode as { l: number };
    return { row, length: l, lastAngleRad: step.finalObservations!.data[4 * row + 2] };
  }
}

/** Worker threads give the same numbers as one thread; a fork goes its own way from the same state. */
export async function threadsAndForks(steps = 20): Promise<boolean> {
  const [threads, plain] = await Promise.all(
    (["workers", "sync"] as const).map((mode) => makeVec("Pendulum-v1", { numEnvs: 4, numWorkers: 2, mode })),
  );
  const first = await plain.reset({ seed: 7 });
  let same = String((await threads.reset({ seed: 7 })).observations.data) === String(first.observations.data);
  plain.actionSpace.seed(7);
  for (let t = 0; t < steps; t++) {
    const actions = plain.actionSpace.sample();
    const fork = await plain.fork(); // what would this action do?
    const [a, b, c] = await Promise.all([plain.step(actions), threads.step(actions), fork.step(actions)]);
    same &&=
      String(a.rewards.data) === String(b.rewards.data) && String(a.rewards.data) === String(c.rewards.data);
    await fork.close();
  }
  await Promise.all([threads.close(), plain.close()]);
  return same;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  for (const mode of ["next-step", "same-step", "disabled"] as const)
    console.log(`${mode}: ${await transitionsUnder(mode)} real transitions of 1600 rows stepped`);
  console.log("first episode to end:", await firstEpisodeEnd());
  console.log("threads, forks and one thread agree:", await threadsAndForks());
}
