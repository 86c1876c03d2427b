/** @file Starting the processes of the safety tests, and a motor that remembers when it was told what. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { float32 } from "../../../src/core/ndarray.ts";
import { monotonicClock } from "../../../src/bridge/safety/device.ts";
import { openDevicePort } from "../../../src/bridge/safety/device-port.ts";
import type { DevicePort } from "../../../src/bridge/safety/device-port.ts";

/** One thing that the motor was told. */
export interface Told {
  readonly atMs: number;
  /** Counts the guard's setpoints. */
  readonly number: number;
  readonly value: number;
  readonly stop: boolean;
}

/** A motor that listens, and sends an observation every 20 ms. */
export interface Motor {
  readonly port: DevicePort;
  readonly told: Told[];
  /** When its guard's connection was lost. */
  readonly goneMs: number[];
  close(): Promise<void>;
}

/** Milliseconds of the clock that all processes of this machine share. */
export function now(): number {
  return monotonicClock.now();
}

/** Open a motor. */
export async function openMotor(): Promise<Motor> {
  const told: Told[] = [];
  const goneMs: number[] = [];
  let reset: number | undefined;
  const port = await openDevicePort(
    {
      name: "wheel",
      channels: ["speedMps"],
      observation: { state: { dtype: "float32", shape: [1] } },
      acknowledges: true,
      measures: false,
      resets: true,
      rateHz: 50,
    },
    {
      set(values, number, stop) {
        told.push({ atMs: now(), number, value: values[0], stop });
        port.acknowledge(number);
      },
      reset: ({ id }) => (reset = id),
      gone: () => goneMs.push(now()),
    },
    { port: 0 },
  );
  const timer = setInterval(() => {
    port.observe({ arrays: { state: float32([told.at(-1)?.value ?? 0]) }, reset });
    reset = undefined;
  }, 20);
  return {
    port,
    told,
    goneMs,
    async close() {
      clearInterval(timer);
      await port.close();
    },
  };
}

/** A child process that runs `script` (of the folder `processes`) and its first line of output. */
export async function start(
  script: string,
  ...args: string[]
): Promise<{ child: ChildProcess; line: string }> {
  const file = new URL(`./processes/${script}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [line] = (await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["ended"])])) as [
    string,
  ];
  return { child, line };
}

/** End a child for certain, even a stopped one. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The guard's own count of ticks that it left out, from its metrics. */
export async function missedTicks(url: string): Promise<number> {
  const text = await (await fetch(`${url.replace("ws", "http")}/metrics`)).text();
  return Number(/^reverie_robot_missed_ticks_total (\d+)$/m.exec(text)?.[1]);
}

/** Setpoints at the motor since `fromMs`: how many periods of 10 ms passed without one, and whether any was lost on the way. */
export function cadence(motor: Motor, fromMs: number): { missed: number; lost: number; longestMs: number } {
  const told = motor.told.filter(({ atMs }) => atMs >= fromMs);
  let [missed, lost, longestMs] = [0, 0, 0];
  for (let i = 1; i < told.length; i++) {
    const gapMs = told[i].atMs - told[i - 1].atMs;
    missed += Math.max(0, Math.round(gapMs / 10) - 1);
    lost += told[i].number - told[i - 1].number - 1;
    longestMs = Math.max(longestMs, gapMs);
  }
  return { missed, lost, longestMs };
}

/** Wait until `holds`, looking every few milliseconds. */
export async function until(holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  for (const deadline = now() + timeoutMs; !holds();) {
    if (now() > deadline) throw new Error(`not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
