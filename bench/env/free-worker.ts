/** @file A thread that steps the same physics as the worker vector env's, with nobody to wait for: the ceiling of scaling. */

import { parentPort, workerData } from "node:worker_threads";
import { Registry } from "../../src/env/registry.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";

const { id, numEnvs, calls, kwargs } = workerData as {
  id: string;
  numEnvs: number;
  calls: number;
  kwargs: Record<string, unknown>;
};
const env = await new Registry(builtinEnvs).makeVec(id, { numEnvs, mode: "sync", copy: false, ...kwargs });
await env.reset({ seed: 0 });
const actions = env.actionSpace.sample();

parentPort!.on("message", () => {
  for (let t = 0; t < calls; t++) env.stepSync!(actions);
  parentPort!.postMessage("done");
});
parentPort!.postMessage("ready");
