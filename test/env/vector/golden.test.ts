/** @file Vector environments against recorded Gymnasium: SyncVectorEnv in every mode, CartPoleVectorEnv, statistics. */

import { describe, expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray } from "../../../src/core/ndarray.ts";
import type { InfoBatch, StepBatch, VectorEnv } from "../../../src/env/env.ts";
import { infoAt } from "../../../src/env/infos.ts";
import { Registry } from "../../../src/env/registry.ts";
import { wrappers } from "../../../src/env/wrappers/wrappers.ts";
import { envs } from "../../../src/sim/classic/envs.ts";
import { float32s, float64s } from "../../sim/classic/golden.ts";
import type { VectorRun } from "../golden.ts";
import { golden } from "../golden.ts";

const registry = new Registry(envs);
const modes = { NextStep: "next-step", SameStep: "same-step", Disabled: "disabled" } as const;
type Floats = VectorEnv<NdArray<"float32">>;

function actionsAt(t: number, numEnvs: number): NdArray<"int32"> {
  const actions = Int32Array.from({ length: numEnvs }, (_, i) => (7 * t + 3 * i + Math.floor(t / 5)) % 2);
  return ndarray("int32", [numEnvs], actions);
}

const endsOf = (step: StepBatch<unknown>) =>
  ndarray(
    "bool",
    [step.terminations.data.length],
    step.terminations.data.map((flag, i) => flag | step.truncations.data[i]),
  );

/** [returns, lengths, mask] of the episodes that an info speaks of. */
function statistics(infos: InfoBatch, numEnvs: number): readonly (readonly number[])[] {
  const rows = Array.from(
    { length: numEnvs },
    (_, i) => infoAt(infos, i).episode as { r: number; l: number } | undefined,
  );
  return [
    rows.map((row) => row?.r ?? 0),
    rows.map((row) => row?.l ?? 0),
    rows.map((row) => Number(row !== undefined)),
  ];
}

async function run(env: Floats, seed: number) {
  const observations = [...(await env.reset({ seed })).observations.data];
  const out = { rewards: [] as number[], terminations: [] as number[][], truncations: [] as number[][] };
  const finals: unknown[] = [];
  const episodes: unknown[] = [];
  for (let t = 0; t < 60; t++) {
    const step = await env.step(actionsAt(t, env.numEnvs));
    observations.push(...step.observations.data);
    out.rewards.push(...step.rewards.data);
    out.terminations.push([...step.terminations.data]);
    out.truncations.push([...step.truncations.data]);
    const ends = endsOf(step);
    if (!ends.data.includes(1)) continue;
    const { finalObservations: last, finalMask, finalInfos } = step;
    if (last !== undefined) {
      finals.push([
        t,
        Array.from(finalMask!.data, (ended, i) =>
          ended === 0 ? null : Array.from(last.data).slice(4 * i, 4 * i + 4),
        ),
      ]);
    }
    episodes.push([t, ...statistics(finalInfos ?? step.infos, env.numEnvs)]);
    if (env.metadata.autoreset === "disabled")
      observations.push(...(await env.reset({ mask: ends })).observations.data);
  }
  return { observations, ...out, finals, episodes };
}

function expectEqual(
  result: Awaited<ReturnType<typeof run>>,
  recorded: VectorRun,
  rewards: ArrayLike<number>,
): void {
  expect(result.terminations).toEqual(recorded.terminations);
  expect(result.truncations).toEqual(recorded.truncations);
  expect(result.observations).toEqual([...float32s(recorded.observations)]);
  expect(result.rewards).toEqual(Array.from(rewards));
}

describe("SyncVectorEnv of 4 CartPoles, seed 42, 60 steps", () => {
  test.each(Object.entries(golden.sync))("%s steps at most", async (name, recorded) => {
    const [mode, limit] = name.split(" ");
    const made = await registry.makeVec("CartPole-v1", {
      numEnvs: 4,
      mode: "sync",
      autoreset: modes[mode as keyof typeof modes],
      maxEpisodeSteps: Number(limit),
    });
    const result = await run(wrappers.RecordEpisodeStatistics(made as unknown as Floats), 42);
    expectEqual(result, recorded, float64s(recorded.rewards));
    expect(result.finals).toEqual(recorded.finals);
    // Gymnasium 1.4 has a defect here: a masked reset clears the statistics of all rows.
    if (recorded.episodes !== null) expect(result.episodes).toEqual(recorded.episodes);
  });
});

describe("the batched CartPole of 3, 60 steps", () => {
  test.each(
    golden.batched.map(
      (recorded) => [recorded.seed, recorded.limit, recorded.suttonBarto, recorded] as const,
    ),
  )(
    "seed %i, %i steps at most, Sutton-Barto reward %s",
    async (seed, maxEpisodeSteps, suttonBartoReward, recorded) => {
      const env = await registry.makeVec("CartPole-v1", {
        numEnvs: 3,
        mode: "batched",
        maxEpisodeSteps,
        suttonBartoReward,
      });
      const result = await run(env as unknown as Floats, seed);
      // -0 and 0 are the same reward.
      result.rewards = result.rewards.map((reward) => reward + 0);
      expectEqual(
        result,
        recorded,
        float32s(recorded.rewards).map((reward) => reward + 0),
      );
    },
  );
});
