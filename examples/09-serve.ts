/** @file Over a socket: a policy that serves robots, a robot that asks it, and an environment that a learner steps from elsewhere. */

import * as reverie from "../src/index.ts";
import type { NdArray, Policy } from "../src/index.ts";

/** Swings Pendulum up by pumping energy, and holds it there; float32 [N, 3] in, float32 [N, 1] in [-1, 1] out. */
const swingUp: Policy<NdArray<"float32">> = {
  async act(observations) {
    const count = observations.shape[0];
    const actions = reverie.zeros("float32", [count, 1]);
    for (let i = 0; i < count; i++) {
      const [cos, sin, speed] = observations.data.subarray(3 * i, 3 * i + 3);
      const energy = speed * speed + 30 * (cos - 1); // 0 when it has just enough to stand
      const torque = cos > 0.9 ? -12 * sin - 3 * speed : -Math.sign(speed * energy) * 2;
      actions.data[i] = Math.max(-1, Math.min(1, torque / 2));
    }
    return { actions };
  },
};

/** Any `Policy` behind openpi's wire: several robots are answered in one batch. `openInference` puts slow ones in a thread. */
export async function servePolicy(port = 0) {
  const observationSpace = reverie.make("Pendulum-v1").observationSpace;
  const actionSpace = reverie.spaces.Box(-2, 2, [1]); // robots get torques, the policy thinks in [-1, 1]
  const policy = reverie.makeServedPolicy({ policy: swingUp, observationSpace, actionSpace });
  return reverie.openPolicyServer({
    host: "127.0.0.1",
    port,
    inference: reverie.localInference(policy),
    modelId: "swing-up-1",
  });
}

/** A robot: asks the server for every action; gives back its return. */
export async function robot(url: string, steps = 200): Promise<{ sum: number; slowestMs: number }> {
  const policy = await reverie.openRemotePolicy({ url });
  const env = reverie.make("Pendulum-v1");
  let { observation } = env.reset({ seed: 3 });
  let [sum, slowestMs] = [0, 0];
  for (let t = 0; t < steps; t++) {
    const { actions, roundTripMs } = await policy.infer({ observation });
    const result = env.step(reverie.float32([Number(actions.data[0])]));
    observation = result.observation;
    sum += result.reward;
    slowestMs = Math.max(slowestMs, roundTripMs);
  }
  policy.close();
  return { sum, slowestMs };
}

/** A learner steps 4 environments of another process (here: the same) as if they were its own. */
export async function remoteSteps(steps = 20): Promise<boolean> {
  const server = await reverie.openEnvServer({
    host: "127.0.0.1",
    port: 0,
    ids: ["Pendulum-v1"],
    make: ({ numEnvs, autoreset }) => reverie.makeVec("Pendulum-v1", { numEnvs, autoreset }),
  });
  const there = await reverie.openRemoteVectorEnv({ url: server.url, numEnvs: 4, autoreset: "same-step" });
  const here = await reverie.makeVec("Pendulum-v1", { numEnvs: 4, autoreset: "same-step" });
  await Promise.all([there.reset({ seed: 2 }), here.reset({ seed: 2 })]);
  let same = true;
  for (let t = 0; t < steps; t++) {
    const actions = here.actionSpace.sample();
    const [far, near] = await Promise.all([there.step(actions), here.step(actions)]);
    same &&= String(far.rewards.data) === String(near.rewards.data);
  }
  await Promise.all([there.close(), here.close()]);
  await server.close();
  return same;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const server = await servePolicy();
  console.log(server.url, await robot(server.url));
  await server.close();
  console.log("a remote environment gives the same numbers:", await remoteSteps());
}
