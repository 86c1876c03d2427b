/** @file Gymnasium's first steps, as its README teaches them, in TypeScript. */

import { make, makeVec, wrappers } from "../src/index.ts";

/** One environment, random actions: the loop that every Gymnasium script begins with. */
export function singleEnvironment(steps = 1000): number {
  const env = make("CartPole-v1");
  let { observation } = env.reset({ seed: 42 });
  let episodes = 0;
  for (let t = 0; t < steps; t++) {
    const action = env.actionSpace.sample(); // a policy would look at `observation` here
    const result = env.step(action);
    observation = result.observation;
    if (result.terminated || result.truncated) {
      episodes += 1;
      observation = env.reset().observation;
    }
  }
  console.log(
    `${episodes} episodes; last observation [${[...observation.data].map((x) => x.toFixed(3)).join(", ")}]`,
  );
  env.close();
  return episodes;
}

/** Many environments at once, with the statistics of every episode that ends. */
export async function vectorEnvironment(steps = 200): Promise<number[]> {
  const envs = wrappers.RecordEpisodeStatistics(
    await makeVec("CartPole-v1", { numEnvs: 4, mode: "sync", autoreset: "next-step" }),
  );
  await envs.reset({ seed: 42 });
  envs.actionSpace.seed(42);
  for (let t = 0; t < steps; t++) {
    const { rewards, valid } = await envs.step(envs.actionSpace.sample());
    if (rewards.data.length !== valid.data.length) throw new Error("one reward per environment");
  }
  const returns = wrappers.getWrapperAttr(envs, "returnQueue") as number[];
  console.log(
    `${returns.length} episodes, mean return ${(returns.reduce((a, b) => a + b, 0) / returns.length).toFixed(1)}`,
  );
  await envs.close();
  return returns;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  singleEnvironment();
  await vectorEnvironment();
}
