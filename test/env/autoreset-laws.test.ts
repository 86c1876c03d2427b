/** @file A law of the autoreset modes: all three show the same episodes, whatever the masks in between. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { NdArray } from "../../src/core/ndarray.ts";
import { ndarray } from "../../src/core/ndarray.ts";
import { withAutoreset } from "../../src/env/autoreset.ts";
import type { AutoresetMode } from "../../src/env/env.ts";
import { CounterVec } from "./counter.ts";

interface Plan {
  readonly numEnvs: number;
  readonly limit: number;
  readonly maxSteps: number;
  /** Rows that take part in call t, cyclically. */
  readonly masks: readonly (readonly boolean[])[];
}

const steps = 60;
const mask = (flags: readonly boolean[]) => ndarray("bool", [flags.length], Uint8Array.from(flags, Number));

/** Per row, every real transition: episode, step within it, observation before and after, reward, flags. */
async function transitions(plan: Plan, mode: AutoresetMode): Promise<number[][][]> {
  const env = withAutoreset(new CounterVec(plan.numEnvs, { ...plan, starts: 4 }), mode, { copy: true });
  const row = (batch: NdArray<"float32">, i: number) => Array.from(batch.data.subarray(2 * i, 2 * i + 2));
  let now = (await env.reset({ seed: 9 })).observations;
  const seen: number[][][] = Array.from({ length: plan.numEnvs }, () => []);
  const taken = new Int32Array(plan.numEnvs);
  for (let t = 0; t < steps; t++) {
    const chosen = plan.masks[t % plan.masks.length].slice(0, plan.numEnvs);
    if (!chosen.includes(true)) continue;
    const actions = Int32Array.from(taken, (count, i) => (count * 7 + i) % 2);
    const step = await env.step(ndarray("int32", [plan.numEnvs], actions), mask(chosen));
    const ends = step.terminations.data.map((flag, i) => flag | step.truncations.data[i]);
    for (let i = 0; i < plan.numEnvs; i++) {
      if (step.valid.data[i] === 0) continue;
      const last = step.finalMask?.data[i] === 1 ? step.finalObservations! : step.observations;
      const flags = [step.terminations.data[i], step.truncations.data[i]];
      seen[i].push([...row(now, i), actions[i], ...row(last, i), step.rewards.data[i], ...flags]);
      taken[i] += 1;
    }
    now = step.observations;
    if (mode === "disabled" && ends.includes(1)) {
      now = (await env.reset({ mask: mask(Array.from(ends, (flag) => flag === 1)) })).observations;
    }
  }
  return seen;
}

const plans: fc.Arbitrary<Plan> = fc.record({
  numEnvs: fc.integer({ min: 1, max: 4 }),
  limit: fc.integer({ min: 2, max: 20 }),
  maxSteps: fc.integer({ min: 1, max: 9 }),
  masks: fc.array(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
});

test("next-step, same-step and disabled show the same transitions", async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const [next, same, none] = await Promise.all(
        (["next-step", "same-step", "disabled"] as const).map((mode) => transitions(plan, mode)),
      );
      // Under next-step some calls are spent on resets: it sees a beginning of what the others see.
      expect(same).toEqual(none);
      next.forEach((rows, i) => expect(rows).toEqual(same[i].slice(0, rows.length)));
      const calls = plan.masks.some((flags) => flags.slice(0, plan.numEnvs).includes(true));
      expect(next.some((rows) => rows.length > 0)).toBe(calls);
    }),
    { numRuns: 60 },
  );
});
