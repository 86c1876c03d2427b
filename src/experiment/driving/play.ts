/** @file A finished run behind the keyboard: the simulator, and beside it the dream of the run's world model. */

import { join } from "node:path";
import { makeImaginedEnv } from "../../env/imagined.ts";
import { makeReplayContexts } from "../../worldmodel/contexts.ts";
import { makePlayWorld } from "../play/play-world.ts";
import type { PlayWorld } from "../play/play.ts";
import type { DrivingConfig } from "./config.ts";
import { Workspace } from "../loop/workspace.ts";
import { drivingTask, makeTaskEnv } from "./task.ts";

const controls = {
  actionNames: ["steer", "pedal"],
  // Steering left is positive.
  bindings: [
    ["right", "left"],
    ["down", "up"],
  ],
} as const;

/** Steps after which a dream is cut: far beyond what the model was trained for, to see how it drifts. */
const playHorizon = 1000;

/** Simulator and dream on validation worlds. The dream begins where recorded validation episodes stood. */
export async function playDriving(config: DrivingConfig, runPath: string): Promise<PlayWorld[]> {
  const work = new Workspace(
    drivingTask(config),
    config,
    {
      path: runPath,
      file: (...parts) => join(runPath, ...parts),
      log: (line) => void process.stderr.write(`${line}\n`),
    },
    config.seed,
  );
  const model = work.model();
  const contexts = makeReplayContexts(model, await work.replay("validation"));
  const dream = makeImaginedEnv({ model, contexts, numEnvs: 1, horizon: playHorizon, seed: config.seed });
  return [
    makePlayWorld(makeTaskEnv(config.env, { numEnvs: 1, split: "validation" }), {
      title: "simulator",
      ...controls,
    }),
    makePlayWorld(dream, {
      title: "dream",
      ...controls,
      note: ({ terminationProbability = 0, uncertainty = 0 }) =>
        `crash ${(terminationProbability * 100).toFixed(0)} %  uncertainty ${uncertainty.toFixed(2)}`,
    }),
  ];
}
