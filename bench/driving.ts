/** @file Driving simulators: rendered frames per second of one core, where the time goes, and heap growth per step. */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { NdArray } from "../src/core/ndarray.ts";
import { zeros } from "../src/core/ndarray.ts";
import { Rng } from "../src/core/rng.ts";
import { makeBehaviour } from "../src/sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../src/sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../src/sim/driving/traffic-env.ts";
import type { DrivingVecEnv } from "../src/sim/driving/vec-env.ts";
import { bestOf } from "./best-of.ts";

/** One line of the table. */
interface Row {
  readonly env: string;
  readonly numEnvs: number;
  /** Environment steps with rendering, resets included, per second of one core. */
  readonly framesPerSecond: number;
  readonly microsecondsPerFrame: number;
  /** The same without frames and info. */
  readonly dynamicsMicroseconds: number;
  readonly drawShare: number;
  /** Bytes of heap per frame: numbers that V8 boxes at calls; no arrays, no records. */
  readonly heapBytesPerFrame: number;
}

const frames = 12_000;

function makers(numEnvs: number): readonly DrivingVecEnv[] {
  return [makeDriveTrackVec({ numEnvs, trackSeeds: [0, 1, 2, 3] }), makeDriveTrafficVec({ numEnvs })];
}

/** Actions of the behaviour policy, recorded beforehand so that the driver costs nothing in the measurement. */
function recordActions(env: DrivingVecEnv, steps: number): NdArray<"float32">[] {
  const rng = Rng.fromSeed(0);
  const driver = makeBehaviour(env);
  const mask = zeros("bool", [env.numEnvs]);
  env.resetSync({ seed: 0 });
  return Array.from({ length: steps }, () => {
    const actions = driver.act(rng);
    const kept = { ...actions, data: actions.data.slice() };
    stepAndReset(env, kept, mask);
    driver.begin(mask);
    return kept;
  });
}

function stepAndReset(env: DrivingVecEnv, actions: NdArray<"float32">, mask: NdArray<"bool">): void {
  const { terminations, truncations } = env.stepSync(actions);
  let any = 0;
  for (let row = 0; row < env.numEnvs; row++) {
    any |= mask.data[row] = terminations.data[row] | truncations.data[row];
  }
  if (any !== 0) env.resetSync({ mask });
}

function measure(env: DrivingVecEnv): Row {
  const steps = Math.ceil(frames / env.numEnvs);
  const actions = recordActions(env, steps);
  const mask = zeros("bool", [env.numEnvs]);
  const drive = (): void => {
    env.resetSync({ seed: 0 });
    for (const action of actions) stepAndReset(env, action, mask);
  };
  const microsecondsPerFrame = bestOf(drive, { count: steps * env.numEnvs, repeats: 4 });
  const dynamicsMicroseconds = bestOf(() => driveUnseen(env, actions), {
    count: steps * env.numEnvs,
    repeats: 4,
  });
  return {
    env: env.world.id,
    numEnvs: env.numEnvs,
    framesPerSecond: Math.round(1e6 / microsecondsPerFrame),
    microsecondsPerFrame,
    dynamicsMicroseconds,
    drawShare: 1 - dynamicsMicroseconds / microsecondsPerFrame,
    heapBytesPerFrame: heapGrowth(env, actions[0]),
  };
}

/** The same episodes beneath the harness, without frames. */
function driveUnseen(env: DrivingVecEnv, actions: readonly NdArray<"float32">[]): void {
  const { world, numEnvs } = env;
  const rngs = Array.from({ length: numEnvs }, (_, row) => Rng.fromSeed(row));
  const elapsed = new Int32Array(numEnvs);
  const outcome = { reward: 0, terminated: true };
  const command = { steer: 0, accel: 0 };
  rngs.forEach((rng, row) => world.reset(row, rng, undefined));
  for (const { data } of actions) {
    for (let row = 0; row < numEnvs; row++) {
      command.steer = data[2 * row];
      command.accel = data[2 * row + 1];
      world.step(row, command, outcome);
      if (!outcome.terminated && ++elapsed[row] < 300) continue;
      elapsed[row] = 0;
      world.reset(row, rngs[row], undefined);
    }
  }
}

/** Heap bytes that 240 steps of braking leave behind; rows whose episode ends are left out of the further steps. */
function heapGrowth(env: DrivingVecEnv, like: NdArray<"float32">): number {
  const brake = { ...like, data: like.data.map((_, i) => -(i % 2)) };
  const alive = zeros("bool", [env.numEnvs]);
  alive.data.fill(1);
  let stepped = 0;
  const step = (): void => {
    const { terminations, valid } = env.stepSync(brake, alive);
    for (let row = 0; row < env.numEnvs; row++) {
      stepped += valid.data[row];
      if (terminations.data[row] !== 0) alive.data[row] = 0;
    }
  };
  env.resetSync({ seed: 0 });
  for (let i = 0; i < 50; i++) step();
  let grown = 0;
  let before = process.memoryUsage().heapUsed;
  stepped = 0;
  for (let i = 0; i < 240; i++) {
    step();
    if (i % 20 !== 19) continue;
    const now = process.memoryUsage().heapUsed;
    grown += Math.max(0, now - before); // a collection in between shows as a drop
    before = now;
  }
  return grown / stepped;
}

const { values } = parseArgs({ options: { json: { type: "string" } } });
const rows = [1, 64, 256].flatMap((numEnvs) => makers(numEnvs).map(measure));
console.table(
  rows.map((row) => ({
    env: row.env,
    numEnvs: row.numEnvs,
    "frames/s": row.framesPerSecond,
    "us/frame": row.microsecondsPerFrame.toFixed(1),
    "dynamics us": row.dynamicsMicroseconds.toFixed(1),
    "drawing share": row.drawShare.toFixed(2),
    "aim 10k x": (row.framesPerSecond / 10_000).toFixed(2),
    "heap B/frame": row.heapBytesPerFrame.toFixed(1),
  })),
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
