/** @file The robot: simulated arms in a process of their own, told places of the tip in metres, reached by a socket alone. */

import { openEnvServer } from "../../src/bridge/env-server.ts";
import type { EnvServer } from "../../src/bridge/env-server.ts";
import { stopOnSignals } from "../../src/bridge/server/signals.ts";
import { fail, unknownName } from "../../src/core/errors.ts";
import { float32 } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import type { Env, StepResult } from "../../src/env/env.ts";
import { GuardedEnv } from "../../src/env/guard.ts";
import { SyncVectorEnv } from "../../src/env/vector/sync.ts";
import { withAutoreset } from "../../src/env/autoreset.ts";
import { ActionWrapper } from "../../src/env/wrappers/base.ts";
import { makeArm } from "../../src/sim/arm/arm-env.ts";
import type { ArmEnv, ArmOptions } from "../../src/sim/arm/arm-env.ts";
import { actionScale } from "../../src/sim/arm/control.ts";
import { workspace } from "../../src/sim/arm/scenario.ts";
import type { ArmTask, Split } from "../../src/sim/arm/scenario.ts";

const tasks: Readonly<Record<string, { readonly task: ArmTask; readonly steps: number }>> = {
  "ArmReach-v0": { task: "reach", steps: 50 },
  "ArmPush-v0": { task: "push", steps: 100 },
};

type Place = NdArray<"float32">;

/** An arm that is told where its tip shall be (x, y in m), as a robot's controller would be, instead of which way to go. */
class SetpointArm extends ActionWrapper<unknown, Place, Place> {
  override readonly actionSpace = new Box(
    float32(workspace.low.slice(0, 2)),
    float32(workspace.high.slice(0, 2)),
    [2],
    "float32",
  ) as never;
  private readonly arm: ArmEnv;

  constructor(arm: ArmEnv) {
    super(arm);
    this.arm = arm;
  }

  override action(place: Place): Place {
    const { tip } = this.arm.view.body.targets;
    return float32([0, 1].map((c) => (place.data[c] - tip[c]) / actionScale.tipM));
  }

  override step(place: Place): StepResult<unknown> {
    return this.env.step(this.action(place));
  }
}

/** Arms of one task, as experiments set them up: in a plane, from pixels and sensors, ended by success. */
export async function makeSetpointArms(id: string, numEnvs: number, split: Split): Promise<SyncVectorEnv> {
  const known = tasks[id];
  if (known === undefined) throw unknownName("arm", id, Object.keys(tasks));
  const options: ArmOptions = { control: "planar", reward: "cost", endsOnSuccess: true, split };
  const envs: Env[] = [];
  for (let i = 0; i < numEnvs; i++) {
    const arm = new SetpointArm(await makeArm(known.task, options));
    envs.push(new GuardedEnv(arm, { maxEpisodeSteps: known.steps }));
  }
  return new SyncVectorEnv(envs);
}

function splitOf(kwargs: Readonly<Record<string, unknown>>): Split {
  const { split = "train", ...others } = kwargs;
  const names = Object.keys(others);
  if (names.length === 0 && (split === "train" || split === "validation" || split === "test")) return split;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "the arm has no such options",
    expected: "split: train, validation or test",
    got: JSON.stringify(kwargs),
  });
}

/** Serve arms at a port of this machine. */
export function serveArms(port: number): Promise<EnvServer> {
  return openEnvServer({
    host: "127.0.0.1",
    port,
    ids: Object.keys(tasks),
    maxEnvs: 64,
    make: async ({ id = "ArmReach-v0", numEnvs, autoreset, kwargs }) =>
      withAutoreset(await makeSetpointArms(id, numEnvs, splitOf(kwargs)), autoreset),
  });
}

if (process.argv[1]?.endsWith("robot-arm/arm.ts") === true) {
  const server = await serveArms(Number(process.argv[2] ?? "8790"));
  stopOnSignals(() => server.drain());
  process.stdout.write(`${server.url}\n`);
}
