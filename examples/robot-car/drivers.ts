/** @file Who drives the car: a policy learned in imagination, or a hand-written one that looks at the picture. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { fail } from "../../src/core/errors.ts";
import { float32 } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import type { VectorEnv } from "../../src/env/env.ts";
import { withLatentObservations } from "../../src/env/latent.ts";
import type { PixelBatch } from "../../src/env/latent.ts";
import { loadCheckpoint, restoreParams } from "../../src/nn/checkpoint.ts";
import { initActorCritic, makeActorCritic } from "../../src/policy/networks.ts";
import type { ActorCriticConfig } from "../../src/policy/networks.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { loadContinuousTokenizer } from "../../src/tokenizer/continuous.ts";
import { loadLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";

/** A policy, and the env seen as it needs to see it. */
export interface Driver {
  readonly name: string;
  readonly policy: Policy<never>;
  see(env: VectorEnv<PixelBatch, NdArray<"float32">>): VectorEnv<never, NdArray<"float32">>;
}

const metresPerPixel = 0.5;
const ego = { row: 48, column: 32 } as const;
const wheelbaseM = 2.6;
const fullLockRad = 0.42;

/** The policy that comes with this example; `policy/origin.json` says which command made it, and how good it is. */
export const shippedPolicy = fileURLToPath(new URL("./policy", import.meta.url));

/** The folder that holds `policies/`: `folder` itself, or the first seed of a run. @throws IO_FAILED when neither does */
export function seedFolder(folder: string): string {
  const found = [folder, join(folder, "seed-0")].find((candidate) => existsSync(join(candidate, "policies")));
  return (
    found ??
    fail({
      code: "IO_FAILED",
      what: `no policies in ${folder === "" ? "no folder" : folder}`,
      expected: "a run folder (runs/<run>), or one of its seeds",
      fix: "run the driving experiment first: npm run reverie -- run examples/robot-car/policy.yaml",
    })
  );
}

/** A driver from a run folder (`runs/<run>` or `runs/<run>/seed-1`): tokenizer, world model, and the policy of that name. */
export function loadLearnedDriver(run: string = shippedPolicy, name = "imagined"): Driver {
  const folder = seedFolder(run);
  const path = join(folder, "policies", `${name}.safetensors`);
  const tokenizer = loadContinuousTokenizer(join(folder, "tokenizer.safetensors"), Rng.fromSeed(0));
  const model = loadLatentModel(join(folder, "worldmodel.safetensors"), tokenizer);
  const { tensors, meta } = loadCheckpoint(path);
  const config = meta.config as ActorCriticConfig;
  const params = restoreParams(initActorCritic(Rng.fromSeed(0), config), tensors, path);
  return {
    name: `${name} (learned)`,
    policy: makeActorCritic(config, params),
    see: (env) => withLatentObservations(env, model) as unknown as VectorEnv<never, NdArray<"float32">>,
  };
}

/** A driver that follows the middle of the grey it sees, slower where the road bends. */
export function makeLookingDriver(): Driver {
  const policy: Policy<PixelBatch> = {
    act({ frame, state }) {
      const [steer, accelerate] = look(frame.data, state.data[0]);
      return Promise.resolve({ actions: float32([steer, accelerate], [1, 2]) });
    },
  };
  return {
    name: "looking (hand-written)",
    policy,
    see: (env) => env as unknown as VectorEnv<never, NdArray<"float32">>,
  };
}

function look(pixels: Uint8Array, speedMps: number): [number, number] {
  const middles = middleOfRoad(pixels);
  const aheadM = Math.min(middles.length - 1, Math.round((4 + 0.5 * speedMps) / metresPerPixel));
  const steer = Math.atan(wheelbaseM * curvature(middles, aheadM)) / fullLockRad;
  const bend = Math.max(
    ...[0.5, 0.75, 1].map((part) => Math.abs(curvature(middles, Math.floor(part * (middles.length - 1))))),
  );
  const wantedMps = Math.min(
    9,
    Math.sqrt(2.5 / Math.max(bend, 1e-3)),
    1 + 0.5 * middles.length * metresPerPixel,
  );
  return [clip(steer), clip(0.5 * (wantedMps - speedMps))];
}

/** Curvature (1/m, left positive) of the arc from the car to the road's middle `row` pixels ahead. */
function curvature(middles: readonly number[], row: number): number {
  const [forwardM, leftM] = [
    row * metresPerPixel,
    (ego.column - (middles[row] ?? ego.column)) * metresPerPixel,
  ];
  const squared = forwardM * forwardM + leftM * leftM;
  return squared === 0 ? 0 : (2 * leftM) / squared;
}

/** Column of the road's middle, row by row ahead of the car, as far as the road goes on ahead. */
function middleOfRoad(pixels: Uint8Array): number[] {
  const middles: number[] = [ego.column];
  for (let row = ego.row - 4; row >= 0; row--) {
    const near = Math.round(middles[middles.length - 1]);
    const start = [0, 1, -1, 2, -2, 3, -3]
      .map((offset) => near + offset)
      .find((column) => isRoad(pixels, row, column));
    if (start === undefined) break;
    let [left, right] = [start, start];
    while (isRoad(pixels, row, left - 1)) left -= 1;
    while (isRoad(pixels, row, right + 1)) right += 1;
    // A row much wider than the road is the road seen sideways: it bends away here.
    if (right - left > 24) break;
    while (middles.length < ego.row - row) middles.push((left + right) / 2);
  }
  return middles;
}

/** Neither grass nor kerb: asphalt, or the dashes on it. */
function isRoad(pixels: Uint8Array, row: number, column: number): boolean {
  if (column < 0 || column > 63) return false;
  const i = (row * 64 + column) * 3;
  const [red, green, blue] = [pixels[i], pixels[i + 1], pixels[i + 2]];
  const asphalt = Math.abs(red - green) < 14 && Math.abs(blue - green) < 18 && green < 140;
  const dash = red > 120 && green > 105 && blue < green - 15 && red - green < 50;
  return asphalt || dash;
}

function clip(value: number): number {
  return Math.min(1, Math.max(-1, value));
}
