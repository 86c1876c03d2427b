/** @file The policy as .onnx: run by a script that knows nothing of this framework, it acts as it does here. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { exportPolicy } from "../../../src/experiment/loop/export-policy.ts";
import { loadSeedPolicy, saveToySeed, toySizes } from "./toy-seed.ts";

const script = fileURLToPath(new URL("../../../examples/robot-arm/act.mjs", import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reverie-export-"));
  mkdirSync(join(folder, "policies"));
  saveToySeed(folder, Rng.fromSeed(3));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("answers as the framework does, to 1e-5, from pictures, sensors and the action before", async () => {
  const file = join(folder, "policy.onnx");
  writeFileSync(file, await exportPolicy(folder, "imagined"));
  const rng = Rng.fromSeed(4);
  const pictures = Uint8Array.from({ length: 2 * 64 * 64 * 3 }, () => rng.integers(256));
  const state = Array.from({ length: toySizes.stateSize }, () => rng.uniform(-1, 1));
  const lastAction = [0.4, -0.7];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [script, file, JSON.stringify({ lastAction, state })],
    {
      input: pictures,
      encoding: "utf8",
    },
  );
  expect(stderr).toBe("");
  const { model, policy } = loadSeedPolicy(folder);
  const frame = { dtype: "uint8" as const, shape: [1, 2, 64, 64, 3], data: pictures };
  const states = zeros("float32", [1, 2, toySizes.stateSize]);
  states.data.set(state, toySizes.stateSize);
  const actions = zeros("float32", [1, 1, 2]);
  actions.data.set(lastAction);
  const features = model.features(await model.encode({ frame, state: states }, actions));
  const begins = zeros("bool", [1]);
  const expected = (await policy.act(features, begins, { deterministic: true })).actions.data;
  const answered = JSON.parse(stdout) as number[];
  expect(Math.abs(expected[0])).toBeGreaterThan(0.01);
  for (const [i, value] of expected.entries()) expect(Math.abs(answered[i] - value)).toBeLessThan(1e-5);
});
