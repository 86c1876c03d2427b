/** @file The robot: a simulated car in a process of its own, reached by its socket alone, as a physical one would be. */

import { openDevicePort } from "../../src/bridge/safety/device-port.ts";
import type { DevicePort } from "../../src/bridge/safety/device-port.ts";
import { ndarray } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { makeDriveTrackVec } from "../../src/sim/driving/track-env.ts";

/** Settings of a car. */
export interface CarOptions {
  readonly port: number;
  /** Control steps per second; the simulated 10 Hz world runs faster or slower with it. */
  readonly rateHz: number;
  /** Which of the unseen test tracks it stands on, until a reset says otherwise. */
  readonly seed: number;
}

/** What the car's own watchdog applies when its guard says nothing: straight on, full brake. */
const braking = [0, -1] as const;

/** Control steps without a setpoint after which the car brakes by itself. */
const watchdogSteps = 5;

/** A car on its track. It obeys one guard, and brakes when that one is gone or silent. */
export class Car {
  private readonly env = makeDriveTrackVec({ numEnvs: 1, split: "test", maxEpisodeSteps: 300 });
  private readonly pedals = Float32Array.from(braking);
  private seen: { frame: NdArray<"uint8">; state: NdArray<"float32"> };
  private port: DevicePort | undefined;
  private timer: NodeJS.Timeout | undefined;
  private resetId: number | undefined;
  private silentSteps = 0;
  private driving = false;
  private steps = 0;
  private terminated = false;
  private truncated = false;

  constructor(seed: number) {
    this.seen = this.place(seed);
  }

  /** Listen for a guard and begin to live. */
  async start(port: number, rateHz: number): Promise<string> {
    const description = {
      name: "DriveTrack car",
      channels: ["steer", "accelerate"],
      observation: { frame: { dtype: "uint8", shape: [64, 64, 3] }, state: { dtype: "float32", shape: [3] } },
      acknowledges: true,
      measures: false,
      resets: true,
      rateHz,
    } as const;
    const handlers = {
      set: (values: Float64Array, number: number, stop: boolean) => this.obey(values, number, stop),
      reset: ({ id, seed }: { id: number; seed?: number }) => this.restart(id, seed),
      gone: () => this.pedals.set(braking),
    };
    this.port = await openDevicePort(description, handlers, { port });
    this.timer = setInterval(() => this.live(), 1000 / rateHz);
    return this.port.url;
  }

  get url(): string {
    return this.port?.url ?? "";
  }

  get speedMps(): number {
    return this.env.cars[0].speedMps;
  }

  /** Control steps under command since the last reset. */
  get drivenSteps(): number {
    return this.steps;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.port?.close();
  }

  private place(seed: number | undefined): Car["seen"] {
    return this.env.resetSync({ seed }).observations as Car["seen"];
  }

  private obey(values: Float64Array, number: number, stop: boolean): void {
    this.driving = !stop;
    this.pedals.set(values);
    this.silentSteps = 0;
    this.port?.acknowledge(number);
  }

  private restart(id: number, seed: number | undefined): void {
    this.seen = this.place(seed);
    this.resetId = id;
    this.terminated = this.truncated = false;
    this.steps = 0;
  }

  /** One control step: move by the newest setpoint, look, and tell. */
  private live(): void {
    this.silentSteps += 1;
    if (this.silentSteps > watchdogSteps) this.pedals.set(braking);
    const still = this.terminated || this.truncated || this.resetId !== undefined;
    const reward = still ? 0 : this.move();
    const { frame, state } = this.seen;
    const { terminated, truncated, resetId: reset } = this;
    const arrays = {
      frame: ndarray("uint8", [64, 64, 3], frame.data),
      state: ndarray("float32", [3], state.data),
    };
    this.port?.observe({ arrays, reward, terminated, truncated, reset });
    this.resetId = undefined;
  }

  private move(): number {
    const moved = this.env.stepSync(ndarray("float32", [1, 2], this.pedals.slice()));
    if (this.driving) this.steps += 1;
    this.terminated = moved.terminations.data[0] === 1;
    this.truncated = moved.truncations.data[0] === 1;
    return moved.rewards.data[0];
  }
}

/** Start a car. */
export async function startCar({ port, rateHz, seed }: CarOptions): Promise<Car> {
  const car = new Car(seed);
  await car.start(port, rateHz);
  return car;
}

const [, script, port = "8777", rateHz = "10", seed = "0"] = process.argv;
if (script?.endsWith("robot-car/car.ts") === true) {
  const car = await startCar({ port: Number(port), rateHz: Number(rateHz), seed: Number(seed) });
  process.stdout.write(`${car.url}\n`);
}
