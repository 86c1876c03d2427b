/**
 * @file The operator: moves the arm at an address with a policy learned in imagination, in chunks, inside limits, and records
 * what happened: `npx tsx examples/robot-arm/operate.ts ws://127.0.0.1:8790 runs/<run>/seed-0 [FOLDER]`.
 */

import { makeAgent } from "../../src/agents/agent.ts";
import { withArmControl } from "../../src/agents/arm.ts";
import type { ArmEvent, ArmLimits } from "../../src/agents/arm.ts";
import { openRecorder } from "../../src/bridge/recorder.ts";
import { RecordedEnv } from "../../src/bridge/recorder/recorded-env.ts";
import { openRemoteVectorEnv } from "../../src/bridge/remote.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { Rng } from "../../src/core/rng.ts";
import type { VectorEnv } from "../../src/env/env.ts";
import { withLatentObservations } from "../../src/env/latent.ts";
import type { PixelBatch } from "../../src/env/latent.ts";
import type { ActorCritic } from "../../src/policy/networks.ts";
import type { LatentWorldModel } from "../../src/worldmodel/latent/latent-model.ts";
import type { ActionSpec } from "../../src/worldmodel/worldmodel.ts";
import { dreamChunks } from "./chunks.ts";

/** What to do with which arm. */
export interface OperateOptions {
  readonly url: string;
  /** The arm's task: "ArmReach-v0" or "ArmPush-v0". */
  readonly id: string;
  readonly split: "train" | "validation" | "test";
  readonly model: LatentWorldModel;
  readonly policy: ActorCritic;
  readonly episodes: number;
  /** Episode i begins with seed + i. */
  readonly seed: number;
  /** Explore with this generator; without it the mean action is taken. */
  readonly rng?: Rng;
  /** Folder that episodes are recorded to. */
  readonly record?: string;
  /** Control steps per second; 0: as fast as arm and policy allow. */
  readonly rateHz?: number;
  readonly limits?: ArmLimits;
  readonly onEvent?: (event: ArmEvent) => void;
}

/** What came of it. */
export interface Operation {
  readonly successes: number;
  readonly returns: readonly number[];
  readonly steps: number;
}

/** The table that the arm may move over, and how fast; training knows no faster setpoint than 0.43 m/s. */
export const armLimits: ArmLimits = { low: [0.34, -0.26], high: [0.7, 0.26], speedMps: 0.43, leashM: 0.06 };

const chunkSteps = 4;

/** Places of the tips among the sensors. */
function tipsOf({ state }: PixelBatch): NdArray<"float32"> {
  const [rows, width] = state.shape;
  const data = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) data.set(state.data.subarray(row * width, row * width + 2), 2 * row);
  return { dtype: "float32", shape: [rows, 2], data };
}

/** Arms that take places of their tips in m. */
export type ArmSocket = VectorEnv<PixelBatch, NdArray<"float32">>;

/** The arm by a policy's actions: what stands between the two. */
export function controlArm(
  arm: ArmSocket,
  meaning: ActionSpec,
  options: Pick<OperateOptions, "limits" | "onEvent"> = {},
): ArmSocket {
  return withArmControl(arm, {
    meaning,
    rateHz: meaning.rateHz,
    limits: options.limits ?? armLimits,
    watch: { lagM: 0.055, steps: 10 },
    positionsOf: tipsOf,
    onEvent: options.onEvent,
  });
}

/** Run some episodes over the socket. */
export async function operate(options: OperateOptions): Promise<Operation> {
  const { url, id, split, model, policy, episodes, seed, rng } = options;
  const remote = await openRemoteVectorEnv({ url, id, kwargs: { split } });
  const limited = controlArm(remote as unknown as ArmSocket, model.actionSpec, options);
  const meta = { env: id, kwargs: { split }, split };
  const recorded =
    options.record === undefined
      ? limited
      : new RecordedEnv(limited, await openRecorder(options.record), { meta });
  const env = withLatentObservations(recorded, model);
  const chunks = dreamChunks({ model, policy, state: () => env.latentState, horizon: chunkSteps });
  const act = rng === undefined ? { deterministic: true } : { rng };
  const agent = makeAgent({
    env,
    policy: chunks,
    rateHz: options.rateHz,
    chunk: { threshold: 0.75 },
    ...act,
  });
  let successes = 0;
  agent.events.subscribe((event) => {
    if (event.type === "ended" && event.terminated) successes += 1;
  });
  try {
    const { returns, steps } = await agent.run({ episodes, seed });
    return { successes, returns, steps };
  } finally {
    await env.close();
  }
}
