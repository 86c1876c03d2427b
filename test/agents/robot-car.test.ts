/** @file The example robot: a car in front of its guard and an operator, each behind a socket; who vanishes leaves it standing. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { afterAll, beforeAll, expect, it } from "vitest";

import { startCar } from "../../examples/robot-car/car.ts";
import type { Car } from "../../examples/robot-car/car.ts";
import { drive } from "../../examples/robot-car/drive.ts";
import { loadLearnedDriver } from "../../examples/robot-car/drivers.ts";
import { startOnboard } from "../../examples/robot-car/onboard.ts";
import { openRecorder } from "../../src/bridge/recorder.ts";
import { loadEpisodes } from "../../src/data/episode-store.ts";
import { keepingTime } from "../bridge/safety/control.ts";
import { end, until } from "../bridge/safety/processes.ts";

/** The 10 Hz world runs four times as fast. */
const rateHz = 40;

let car: Car;
let onboard: ChildProcess;
let url: string;
let dir: string;
const children: ChildProcess[] = [];

function run(script: string, ...args: string[]): ChildProcess {
  const file = new URL(`../../examples/robot-car/${script}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line")) as [
    string,
  ];
  return line;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "robot-car-"));
  car = await startCar({ port: 0, rateHz, seed: 0 });
  onboard = run("onboard", car.url, "0");
  url = await firstLine(onboard);
});

afterAll(async () => {
  await Promise.all(children.map(end));
  await car.close();
  rmSync(dir, { recursive: true, force: true });
});

it("is driven by what the operator sees, and stands when the operator is killed; what was driven is on disk", async () => {
  const operator = run("drive", url, "--looking", "--record", dir, "--seed", "3");
  await until(() => car.drivenSteps > 20 && car.speedMps > 1, 20_000);
  operator.kill("SIGKILL");
  await once(operator, "exit");
  await until(() => car.speedMps === 0, 5000);
  const recorder = await openRecorder(dir);
  expect(recorder.recovered).toHaveLength(1);
  const [episode] = await loadEpisodes(dir);
  const steps = episode.rewards.shape[0];
  expect(episode.frames.shape).toEqual([steps + 1, 64, 64, 3]);
  expect(steps).toBeGreaterThan(5);
  expect(episode.meta).toMatchObject({ driver: "looking (hand-written)", interrupted: true });
  expect(episode.rewards.data.reduce((a, b) => a + b)).toBeGreaterThan(1);
}, 40_000);

it("stands when its onboard computer is killed", async () => {
  run("drive", url, "--looking", "--seed", "4");
  await until(() => car.drivenSteps < 20, 20_000);
  await until(() => car.drivenSteps > 20 && car.speedMps > 1, 20_000);
  onboard.kill("SIGKILL");
  await until(() => car.speedMps === 0, 5000);
}, 40_000);

it("says what is missing when the learned policy is not there", () => {
  expect(() => loadLearnedDriver(dir)).toThrow(/run the driving experiment first/);
});

// Real time: every late action costs return.
it("is driven through the guard by the policy that was learned in imagination", { timeout: 180_000 }, () =>
  keepingTime(async () => {
    const robot = await startOnboard({ device: car.url, port: 0 });
    try {
      const driver = loadLearnedDriver(process.env.REVERIE_ROBOT_POLICY);
      expect(driver.name).toBe("imagined (learned)");
      const [driven] = await drive({ url: robot.url as string, driver, episodes: 1, seed: 7 });
      expect(driven).toBeGreaterThan(100); // at random it is about -4
    } finally {
      await robot.close();
    }
  }),
);
