/** @file `checkVectorEnv` passes a correct environment and names the law that each planted fault breaks. */

import { expect, test } from "vitest";
import { withAutoreset } from "../../src/env/autoreset.ts";
import { checkVectorEnv } from "../../src/env/check.ts";
import { SyncVectorEnv } from "../../src/env/vector/sync.ts";
import type { Fault } from "./counter.ts";
import { CounterEnv, CounterVec } from "./counter.ts";

test("a correct primitive passes every law in every mode without a warning", async () => {
  const result = await checkVectorEnv(new CounterVec(4, { starts: 3 }));
  expect(result.warnings).toEqual([]);
  expect(result.skipped).toEqual([]);
  expect(result.checked).toContain("same-step: autoreset");
});

test("a sync vector env and a derived env pass", async () => {
  const envs = () => [0, 1, 2].map(() => new CounterEnv({ starts: 3 }));
  await checkVectorEnv(new SyncVectorEnv(envs()));
  await checkVectorEnv(withAutoreset(new SyncVectorEnv(envs()), "same-step"));
});

const faults: [Fault, RegExp][] = [
  ["mask ignored by step", /masked step: step\(actions, mask\) changed row 1/],
  ["mask ignored by reset", /masked reset: reset\(\{ mask \}\) changed row 1/],
  ["state survives reset", /determinism: two resets with seed 123 differ/],
  ["observation outside its space", /row 0 of .*outside singleObservationSpace/],
  ["NaN reward", /rewards holds NaN/],
  ["keeps the actions", /ownership of arrays: step changed the caller's actions/],
  ["snapshot by reference", /snapshots:/],
  ["global generator", /determinism: two resets/],
  ["info mask too short", /infos.count.mask must be bool \[4\]/],
  ["resets all rows alike", /determinism: seed 123 differs from seeds/],
];

test.each(faults)("a planted fault is named: %s", async (fault, message) => {
  await expect(checkVectorEnv(new CounterVec(4, { starts: 7, fault }))).rejects.toThrow(message);
});

test("too few steps to see an episode end is a warning", async () => {
  const result = await checkVectorEnv(new CounterVec(2, { limit: 900, maxSteps: 1000 }), { steps: 4 });
  expect(result.warnings.join()).toMatch(/no episode ended within 4 steps/);
});
