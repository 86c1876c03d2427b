/**
 * @file The operator: drives the car at an address, records what happened, and shows it live. It drives with the policy learned
 * in imagination that comes with this example, with that of a run (`--policy runs/<run>`), or by hand-written rules (`--looking`).
 */

import { parseArgs } from "node:util";

import { makeAgent } from "../../src/agents/agent.ts";
import { withNormalizedActions } from "../../src/agents/actions.ts";
import { openFoxglove } from "../../src/bridge/foxglove.ts";
import { showAgent } from "../../src/bridge/observe/foxglove-topics.ts";
import { openRecorder } from "../../src/bridge/recorder.ts";
import { RecordedEnv } from "../../src/bridge/recorder/recorded-env.ts";
import { connectRobot } from "../../src/bridge/safety.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { PixelBatch } from "../../src/env/latent.ts";
import type { VectorEnv } from "../../src/env/env.ts";
import { loadLearnedDriver, makeLookingDriver } from "./drivers.ts";
import type { Driver } from "./drivers.ts";

/** How to drive. */
export interface DriveOptions {
  readonly url: string;
  readonly driver: Driver;
  readonly episodes: number;
  readonly seed?: number;
  /** Folder that episodes are recorded to. */
  readonly record?: string;
  /** Port for Foxglove to look in. */
  readonly foxglove?: number;
}

/** What the car is told, in the car's own units: shares of full lock and of full throttle. */
const meaning = { names: ["steer", "accelerate"], kind: "absolute", low: [-1, -1], high: [1, 1] } as const;

/** Drive some episodes; returns the return of each. */
export async function drive(options: DriveOptions): Promise<readonly number[]> {
  const robot = await connectRobot(options.url, { channels: meaning.names });
  const recorded =
    options.record === undefined
      ? robot
      : new RecordedEnv(robot, await openRecorder(options.record), {
          meta: { env: "robot-car", driver: options.driver.name },
        });
  const units = withNormalizedActions(recorded, meaning, { channelNames: robot.channelNames });
  const env = options.driver.see(units as unknown as VectorEnv<PixelBatch, NdArray<"float32">>);
  const agent = makeAgent({ env, policy: options.driver.policy, deterministic: true });
  const outlet =
    options.foxglove === undefined ? undefined : await openFoxglove("robot-car", { port: options.foxglove });
  if (outlet !== undefined) showAgent(outlet, agent, meaning.names);
  try {
    return (await agent.run({ episodes: options.episodes, seed: options.seed })).returns;
  } finally {
    await recorded.close();
    await outlet?.close();
  }
}

if (process.argv[1]?.endsWith("drive.ts") === true) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      policy: { type: "string" },
      name: { type: "string" },
      looking: { type: "boolean", default: false },
      episodes: { type: "string", default: "1" },
      seed: { type: "string", default: "0" },
      record: { type: "string" },
      foxglove: { type: "string" },
    },
  });
  const driver = values.looking ? makeLookingDriver() : loadLearnedDriver(values.policy, values.name);
  const returns = await drive({
    url: positionals[0] ?? "ws://127.0.0.1:8778",
    driver,
    episodes: Number(values.episodes),
    seed: Number(values.seed),
    record: values.record,
    foxglove: values.foxglove === undefined ? undefined : Number(values.foxglove),
  });
  process.stdout.write(`${driver.name}: ${returns.map((value) => value.toFixed(1)).join(" ")}\n`);
}
