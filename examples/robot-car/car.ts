/** @file The robot: a simulated car in a process of its own, reached by its socket alone, as a physical one would be. */

import { ndarray } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { openDevicePort } from "../../src/bridge/safety/device-port.ts";
import { makeDriveTrackVec } from "../../src/sim/driving/track-env.ts";

/** Settings of a car. */
export interface CarOptions {
  readonly port: number;
  /** Control steps per second; the simulated 10 Hz world runs faster or slower with it. */
  readonly rateHz: number;
  /** Which of the unseen test tracks it stands on, until a reset says otherwise. */
  readonly seed: number;
}

/** A running car. */
export interface Car {
  readonly url: string;
  readonly speedMps: number;
  /** Control steps under command since the last reset. */
  readonly drivenSteps: number;
  close(): Promise<void>;
}

/** What the car's own watchdog applies when its guard says nothing: straight on, full brake. */
const braking = [0, -1] as const;

/** Control steps without a setpoint after which the car brakes by itself. */
const watchdogSteps = 5;

/** Start a car. It obeys one guard, and brakes when that one is gone or silent. */
export async function startCar({ port, rateHz, seed }: CarOptions): Promise<Car> {
  const env = makeDriveTrackVec({ numEnvs: 1, split: "test", maxEpisodeSteps: 300 });
  const pedals = Float32Array.from(braking);
  let driving = false;
  let silentSteps = 0;
  let drivenSteps = 0;
  let resetId: number | undefined;
  let [terminated, truncated] = [false, false];
  let seen = env.resetSync({ seed }).observations as { frame: NdArray<"uint8">; state: NdArray<"float32"> };
  const description = {
    name: "DriveTrack car",
    channels: ["steer", "accelerate"],
    observation: {
      frame: { dtype: "uint8", shape: [64, 64, 3] },
      state: { dtype: "float32", shape: [3] },
    },
    acknowledges: true,
    measures: false,
    resets: true,
    rateHz,
  } as const;
  const device = await openDevicePort(
    description,
    {
      set(values, number, stop) {
        driving = !stop;
        pedals.set(values);
        silentSteps = 0;
        device.acknowledge(number);
      },
      reset({ id, seed: wanted }) {
        seen = env.resetSync({ seed: wanted }).observations as typeof seen;
        resetId = id;
        terminated = truncated = false;
        drivenSteps = 0;
      },
      gone: () => pedals.set(braking),
    },
    { port },
  );
  const step = (): void => {
    silentSteps += 1;
    if (silentSteps > watchdogSteps) pedals.set(braking);
    const still = terminated || truncated || resetId !== undefined;
    const moved = still ? undefined : env.stepSync(ndarray("float32", [1, 2], pedals.slice()));
    if (driving && moved !== undefined) drivenSteps += 1;
    terminated ||= moved?.terminations.data[0] === 1;
    truncated ||= moved?.truncations.data[0] === 1;
    device.observe({
      arrays: {
        frame: ndarray("uint8", [64, 64, 3], seen.frame.data),
        state: ndarray("float32", [3], seen.state.data),
      },
      reward: moved?.rewards.data[0] ?? 0,
      terminated,
      truncated,
      reset: resetId,
    });
    resetId = undefined;
  };
  const timer = setInterval(step, 1000 / rateHz);
  return {
    url: device.url,
    get speedMps() {
      return env.cars[0].speedMps;
    },
    get drivenSteps() {
      return drivenSteps;
    },
    async close() {
      clearInterval(timer);
      await device.close();
    },
  };
}

const [, script, port = "8777", rateHz = "10", seed = "0"] = process.argv;
if (
  script !== undefined &&
  import.meta.url.endsWith("/examples/robot-car/car.ts") &&
  script.endsWith("car.ts")
) {
  const car = await startCar({ port: Number(port), rateHz: Number(rateHz), seed: Number(seed) });
  process.stdout.write(`${car.url}\n`);
}
