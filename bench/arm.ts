/** @file The arm: pictures per second of the ray caster, steps against real time, resets, and what the experts reach. */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { NdArray } from "../src/core/ndarray.ts";
import { makeArm } from "../src/sim/arm/arm-env.ts";
import type { ArmEnv, ArmOptions } from "../src/sim/arm/arm-env.ts";
import { makeArmExpert } from "../src/sim/arm/expert.ts";
import { scenarioPools } from "../src/sim/arm/scenario.ts";
import type { ArmTask } from "../src/sim/arm/scenario.ts";
import { makeRaycaster } from "../src/sim/raycaster/raycaster.ts";
import { armLikeScene } from "./arm/scene.ts";
import { bestOf } from "./best-of.ts";

const stepSeconds = 0.1;

function picturesPerSecond(): Record<string, number> {
  const { scene, camera } = armLikeScene();
  const rows: Record<string, number> = { primitives: scene.count };
  for (const [name, options] of Object.entries({
    "64×64, shadows": {},
    "64×64, no shadows": { shadowSamples: 0 },
    "64×64, shadows, 2×2 samples": { antialias: 2 },
  })) {
    const caster = makeRaycaster({ width: 64, height: 64, ...options });
    const draw = (): void => {
      for (let i = 0; i < 120; i++) caster.render(scene, camera);
    };
    rows[`pictures/s ${name}`] = Math.round(1e6 / bestOf(draw, { count: 120 }));
  }
  return rows;
}

/** The expert's first steps of an episode, recorded: pushing and grasping, so that there are contacts. */
function record(env: ArmEnv, steps: number): NdArray<"float32">[] {
  env.reset({ seed: 1 });
  const expert = makeArmExpert(env);
  return Array.from({ length: steps }, () => {
    const action = expert.act();
    env.step(action);
    return action;
  });
}

async function speedOf(
  task: ArmTask,
  observation: ArmOptions["observation"],
): Promise<Record<string, unknown>> {
  const env = await makeArm(task, { observation });
  const actions = record(env, 40);
  const replay = (): void => {
    env.reset({ seed: 1 });
    for (const action of actions) env.step(action);
  };
  const micros = bestOf(replay, { count: actions.length });
  const resets = bestOf(
    () => {
      for (let i = 0; i < 40; i++) env.reset();
    },
    { count: 40 },
  );
  env.close();
  return {
    task,
    observation,
    "steps/s": Math.round(1e6 / micros),
    "× real time": Math.round((stepSeconds * 1e6) / micros),
    "resets/s": Math.round(1e6 / resets),
  };
}

async function expertOf(
  task: ArmTask,
  options: ArmOptions,
  episodes: number,
): Promise<Record<string, unknown>> {
  const env = await makeArm(task, { observation: "state", split: "test", ...options });
  const steps = task === "reach" ? 50 : 100;
  let [successes, total] = [0, 0];
  for (let id = 0; id < episodes; id++) {
    env.reset({ options: { scenario: scenarioPools.test.first + id } });
    const expert = makeArmExpert(env);
    let success = false;
    for (let i = 0; i < steps; i++) {
      const { info, reward } = env.step(expert.act());
      success = info["success"] === true;
      total += reward;
    }
    if (success) successes++;
  }
  env.close();
  const { control = "ee", dynamics = "plain" } = options;
  return {
    task,
    control,
    dynamics,
    episodes,
    success: successes / episodes,
    return: Math.round(total / episodes),
  };
}

const { values } = parseArgs({
  options: { json: { type: "string" }, episodes: { type: "string", default: "100" } },
});
const episodes = Number(values.episodes);
const pictures = picturesPerSecond();
console.table(pictures);
const speeds: Record<string, unknown>[] = [];
for (const task of ["reach", "push", "pick-place"] as const) {
  for (const observation of ["frame", "state"] as const) speeds.push(await speedOf(task, observation));
}
console.table(speeds);
const experts: Record<string, unknown>[] = [];
for (const [task, options] of [
  ["reach", {}],
  ["reach", { control: "joint" }],
  ["push", {}],
  ["push", { control: "planar" }],
  ["push", { control: "planar", dynamics: "random" }],
  ["pick-place", {}],
  ["pick-place", { control: "joint" }],
  ["pick-place", { dynamics: "random" }],
] as const) {
  experts.push(await expertOf(task, options, episodes));
}
console.table(experts);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ pictures, speeds, experts }, null, 2)}\n`);
}
