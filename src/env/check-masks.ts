/** @file Laws of masked calls of a vector environment: rows outside the mask are left alone, rows inside are as ever. */

import { cloneBatch, rowAt } from "./batch.ts";
import type { Subject } from "./check-subject.ts";
import { endsOf, keepStep, maskOf, replaysRows, resetOf } from "./check-subject.ts";
import { firstDifference } from "./compare.ts";
import type { ObservationBatch, StepBatch } from "./env.ts";

/** A masked reset changes the rows in its mask, and those as a full one does. */
export async function checkMaskedReset(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  const space = env.singleObservationSpace;
  const rowOf = (batch: ObservationBatch, i: number) => structuredClone(rowAt(space, batch, i));
  const full = cloneBatch(space, (await resetOf(subject, { seed: seed + 7 })).observations);
  await resetOf(subject, { seed });
  const before = cloneBatch(space, (await env.step(subject.actionAt(0))).observations);
  const mask = maskOf(env.numEnvs, (i) => i % 2 === 0);
  const copy = mask.data.slice();
  const after = await resetOf(subject, { seed: seed + 7, mask });
  report.must(firstDifference(mask.data, copy) === undefined, "reset changed the caller's mask");
  for (let i = 0; i < env.numEnvs; i++) {
    const row = rowOf(after.observations, i);
    if (mask.data[i] === 0) {
      const difference = firstDifference(rowOf(before, i), row);
      report.must(
        difference === undefined,
        `reset({ mask }) changed row ${i}, which is outside the mask (${difference}): return its last observation`,
      );
    } else if (replaysRows(subject)) {
      const difference = firstDifference(rowOf(full, i), row);
      report.must(
        difference === undefined,
        `row ${i} of a masked reset differs from a full reset with the same seed (${difference})`,
      );
    }
  }
  for (const name in after.infos) {
    const outside = after.infos[name].mask.data.some((has, i) => has !== 0 && mask.data[i] === 0);
    report.must(!outside, `reset({ mask }).infos.${name} speaks of rows outside the mask`);
  }
}

function checkSilentRow(subject: Subject, batch: StepBatch, i: number): void {
  const { report } = subject;
  const silent = batch.rewards.data[i] === 0 && endsOf(batch)[i] === 0 && batch.valid.data[i] === 0;
  report.must(silent, "rows outside step's mask must report reward 0, flags 0 and valid 0");
  const mute = Object.values(batch.infos).every((column) => column.mask.data[i] === 0);
  report.must(mute, "step's infos speak of rows outside the mask");
}

/** A masked step steps the rows in its mask, and those as a full one does. */
export async function checkMaskedStep(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  if (env.numEnvs < 2) return report.skip("masked step", "there is one sub-environment only");
  const space = env.singleObservationSpace;
  const differenceAt = (a: ObservationBatch, b: ObservationBatch, i: number) =>
    firstDifference(rowAt(space, a, i), rowAt(space, b, i));
  await resetOf(subject, { seed });
  const plain = keepStep(env, await env.step(subject.actionAt(0)));
  const first = cloneBatch(space, (await resetOf(subject, { seed })).observations);
  const even = maskOf(env.numEnvs, (i) => i % 2 === 0);
  const half = keepStep(env, await env.step(subject.actionAt(0), even));
  for (let i = 1; i < env.numEnvs; i += 2) {
    const difference = differenceAt(first, half.observations, i);
    report.must(
      difference === undefined,
      `step(actions, mask) changed row ${i}, which is outside the mask (${difference})`,
    );
    checkSilentRow(subject, half, i);
  }
  if (!replaysRows(subject)) return;
  const rest = await env.step(
    subject.actionAt(0),
    maskOf(env.numEnvs, (i) => i % 2 === 1),
  );
  for (let i = 0; i < env.numEnvs; i++) {
    const got = i % 2 === 0 ? half : rest;
    const difference = differenceAt(plain.observations, got.observations, i);
    report.must(
      difference === undefined,
      `stepping the rows in two halves differs from stepping all at row ${i} (${difference})`,
    );
    report.must(
      plain.rewards.data[i] === got.rewards.data[i],
      `stepping the rows in two halves gives row ${i} another reward`,
    );
  }
}
