/** @file The same starts in reality and in the dream, and what a policy earns from them on either side. */

import { zeros, type NdArray } from "../../core/ndarray.ts";
import { selectRows } from "../../core/array-record.ts";
import type { Rng } from "../../core/rng.ts";
import { withLatentObservations, type LatentObservationEnv } from "../../env/latent.ts";
import type { Policy } from "../../policy/policy.ts";
import type { LatentState } from "../../worldmodel/worldmodel.ts";
import { driverPolicy, type Split, type TaskEnv } from "../loop/task.ts";
import type { Workspace } from "../loop/workspace.ts";

/** Steps that the behaviour drives before the policies take over: a start has a past, as a dream's contexts have. */
const warmUpSteps = 6;

/** First seed of the starts of each split; no judged or recorded episode begins there. */
const firstSeed: Readonly<Record<Split, number>> = { train: 61e6, validation: 62e6, test: 63e6 };

/** Where policies begin. */
export interface Starts {
  readonly split: Split;
  readonly count: number;
  /** The model's state there, rows in which the warm-up had not ended the episode. */
  readonly state: LatentState;
  readonly rows: readonly number[];
}

interface Standing {
  readonly env: LatentObservationEnv;
  readonly alive: NdArray<"bool">;
}

/** The simulator after the warm-up; the same at every call, as everything in it is seeded. */
async function standAtStart(work: Workspace, split: Split, count: number): Promise<Standing> {
  const simulator: TaskEnv = await work.task.makeEnv({ numEnvs: count, split, wideStarts: true });
  const env = withLatentObservations(simulator, work.model());
  await env.reset({ seed: firstSeed[split] });
  const driver = driverPolicy(work.task.behaviour(simulator), 17);
  const alive = zeros("bool", [count]);
  alive.data.fill(1);
  const begins = zeros("bool", [count]);
  for (let t = 0; t < warmUpSteps; t++) {
    begins.data.fill(t === 0 ? 1 : 0);
    const { actions } = await driver.act(undefined, begins);
    const batch = await env.step(actions, alive);
    leave(alive, batch.terminations, batch.truncations);
  }
  return { env, alive };
}

/** Rows whose episode has ended are stepped no more. */
function leave(alive: NdArray<"bool">, ...ends: readonly NdArray<"bool">[]): void {
  for (const { data } of ends) data.forEach((ended, row) => ended !== 0 && (alive.data[row] = 0));
}

/** Starts on worlds of `split`: wide resets, then some steps of the behaviour. */
export async function openStarts(work: Workspace, split: Split, count: number): Promise<Starts> {
  const { env, alive } = await standAtStart(work, split, count);
  const rows = Array.from({ length: count }, (_, row) => row).filter((row) => alive.data[row] === 1);
  const state = selectRows(env.latentState, rows);
  await env.close();
  return { split, count, state, rows };
}

/** What a policy really earned from every start. */
export interface RealReturns {
  /** Return per start after every step. */
  readonly returnsByStep: readonly Float64Array[];
  /** 1 where the task had ended by itself. */
  readonly ended: Float64Array;
}

/** Let a policy act in the simulator for at most `steps` steps from the starts. */
export async function realReturns(
  work: Workspace,
  starts: Starts,
  policy: Policy<NdArray<"float32">>,
  { steps, rng }: { steps: number; rng: Rng },
): Promise<RealReturns> {
  const { env, alive } = await standAtStart(work, starts.split, starts.count);
  const begins = zeros("bool", [starts.count]);
  const returns = new Float64Array(starts.count);
  const ended = new Float64Array(starts.count);
  const { rows } = starts;
  const ofStarts = (values: Float64Array): Float64Array => Float64Array.from(rows, (row) => values[row]);
  const returnsByStep: Float64Array[] = [];
  for (let t = 0; t < steps; t++) {
    if (alive.data.some((flag) => flag !== 0)) {
      const { actions } = await policy.act(work.model().features(env.latentState), begins, { rng });
      const batch = await env.step(actions, alive);
      batch.rewards.data.forEach((reward, row) => (returns[row] += alive.data[row] === 1 ? reward : 0));
      batch.terminations.data.forEach((flag, row) => flag !== 0 && (ended[row] = 1));
      leave(alive, batch.terminations, batch.truncations);
    }
    returnsByStep.push(ofStarts(returns));
  }
  await env.close();
  return { returnsByStep, ended: ofStarts(ended) };
}
