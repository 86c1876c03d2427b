/** @file An environment of your own: its class, its registration, its check, and what the checker says of a faulty one. */

import { checkEnv, float32, make, makeVec, register, Rng, spaces } from "../src/index.ts";
import type { Env, NdArray } from "../src/index.ts";

/** Walk to 0 on a line; each step moves by one. */
export class Reach implements Env<NdArray<"float32">, number> {
  readonly observationSpace = spaces.Box(-10, 10, [1]);
  readonly actionSpace = spaces.Discrete(2);
  readonly metadata = { renderModes: [] };
  readonly renderMode = undefined;
  #rng = Rng.fromSeed();
  #x = 0;

  reset(options?: { seed?: number }) {
    if (options?.seed !== undefined) this.#rng = Rng.fromSeed(options.seed);
    this.#x = this.#rng.uniform(-5, 5);
    return { observation: float32([this.#x]), info: {} };
  }

  step(action: number) {
    this.#x += action === 1 ? 1 : -1;
    const terminated = Math.abs(this.#x) < 0.5;
    const truncated = !terminated && Math.abs(this.#x) > 8.5;
    return {
      observation: float32([this.#x]),
      reward: terminated ? 1 : -0.1,
      terminated,
      truncated,
      info: {},
    };
  }

  close(): void {
    this.#x = 0;
  }
}

/** The same with a fault that every beginner makes: the observation is one array that changes under its owner. */
class Aliased extends Reach {
  readonly #shared = float32([0]);
  override step(action: number) {
    const result = super.step(action);
    this.#shared.data.set(result.observation.data);
    return { ...result, observation: this.#shared };
  }
}

// `entryPoint` may also be "module#export", which is imported when the first one is made.
register({ id: "lab/Reach-v0", entryPoint: () => new Reach(), maxEpisodeSteps: 20 });

/** Walks towards 0; gives back the return. */
export function walk(seed: number): number {
  const env = make<Reach>("lab/Reach-v0");
  let { observation } = env.reset({ seed });
  for (let sum = 0; ;) {
    const result = env.step(observation.data[0] < 0 ? 1 : 0);
    observation = result.observation;
    sum += result.reward;
    if (result.terminated || result.truncated) return sum;
  }
}

/** What the checker finds in the sound and in the faulty environment. */
export function check(): { warnings: readonly string[]; fault: string } {
  const { warnings } = checkEnv(new Reach());
  try {
    checkEnv(new Aliased());
    return { warnings, fault: "none" };
  } catch (error) {
    return { warnings, fault: String(error) };
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  console.log(`return ${walk(0).toFixed(1)}`);
  console.log(check());
  const envs = await makeVec("lab/Reach-v0", { numEnvs: 1000 });
  console.log(String(envs), String(envs.observationSpace).length);
}
