/** @file `reverie play`: a simulator, or a run's simulator and dream side by side, driven from the keyboard. */

import { existsSync } from "node:fs";
import { sep } from "node:path";
import { Registry } from "../env/registry.ts";
import type { PlayWorldOptions } from "../experiment/play/play-world.ts";
import { makePlayWorld } from "../experiment/play/play-world.ts";
import type { PlayWorld } from "../experiment/play/play.ts";
import { play } from "../experiment/play/play.ts";
import { playRun } from "../experiment/runner.ts";
import { builtinEnvs } from "../sim/envs.ts";

/** Where the keys mean something else than "left is less": both cars steer left for positive actions. */
const driving: Partial<PlayWorldOptions> = {
  actionNames: ["steering", "acceleration"],
  bindings: [
    ["right", "left"],
    ["down", "up"],
  ],
};

async function worldsOf(target: string): Promise<PlayWorld[]> {
  if (existsSync(target) || target.includes(sep)) return playRun(target);
  const env = await new Registry(builtinEnvs).makeVec(target, { numEnvs: 1, autoreset: "disabled" });
  return [makePlayWorld(env, { title: target, ...(target.startsWith("Drive") ? driving : {}) })];
}

/** Drive a run's worlds or the environment of that id until q is pressed. @throws UNKNOWN_NAME, NOT_SUPPORTED */
export async function playTarget(target: string, options: { readonly seed?: number }): Promise<void> {
  await play(await worldsOf(target), { input: process.stdin, output: process.stdout }, options);
}
