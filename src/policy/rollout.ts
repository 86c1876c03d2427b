/** @file The one rollout loop: the same for a simulator, a dream and a robot. */

import { zeros, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import type { InfoBatch, StepBatch, VectorEnv } from "../env/env.ts";
import type { ActorCritic } from "./networks.ts";
import type { Decision } from "./policy.ts";

/**
 * T steps of N rows, time first.
 *
 * Row [t, n]: the observation acted in, the action taken in it, and what that action led to.
 */
export interface Rollout {
  readonly steps: number;
  readonly rows: number;
  /** float32 [T · N, F] */
  readonly observations: NdArray<"float32">;
  /** float32 [T · N, A] */
  readonly actions: NdArray<"float32">;
  readonly logProbabilities: Float32Array;
  readonly values: Float32Array;
  readonly rewards: Float32Array;
  /** Probability that the task goes on after the step: 0 where terminated, 1 − p in a soft dream. */
  readonly continues: Float32Array;
  /** 1 where an episode ended, terminated or truncated: advantages do not flow across. */
  readonly ends: Uint8Array;
  /** Value of the observation that the step led to; for an ended episode its last one, not the next episode's first. */
  readonly nextValues: Float32Array;
  /** Probability that the row was still alive before the step (1 outside soft dreams). */
  readonly weights: Float32Array;
}

/** Observations float32 [N, F]; keep them between calls for rollouts that go on. */
export interface RolloutCursor {
  observations: NdArray<"float32">;
  begins: NdArray<"bool">;
  /** Survival so far in the present episode, per row. */
  alive: Float32Array;
}

type FeatureEnv = VectorEnv<NdArray<"float32">, NdArray<"float32">>;

/** Reset every row and stand at the start. */
export async function beginRollout(env: FeatureEnv, seed?: number): Promise<RolloutCursor> {
  const { observations } = await env.reset({ seed });
  const begins = zeros("bool", [env.numEnvs]);
  begins.data.fill(1);
  return { observations: copied(observations), begins, alive: new Float32Array(env.numEnvs).fill(1) };
}

function copied(array: NdArray<"float32">): NdArray<"float32"> {
  return { ...array, data: array.data.slice() };
}

function emptyRollout(steps: number, rows: number, sizes: { features: number; actions: number }): Rollout {
  const total = steps * rows;
  const column = (): Float32Array => new Float32Array(total);
  return {
    steps,
    rows,
    observations: zeros("float32", [total, sizes.features]),
    actions: zeros("float32", [total, sizes.actions]),
    logProbabilities: column(),
    values: column(),
    rewards: column(),
    continues: column(),
    ends: new Uint8Array(total),
    nextValues: column(),
    weights: column(),
  };
}

/** Value of an info column in row i, looked up in the ending step's infos for rows that were reset in this step. */
export function infoAt(batch: StepBatch<unknown>, name: string, row: number): number | undefined {
  const source: InfoBatch | undefined = batch.finalMask?.data[row] ? batch.finalInfos : batch.infos;
  const column = source?.[name];
  if (column === undefined || column.mask.data[row] === 0) return undefined;
  const values = column.values as NdArray | readonly unknown[];
  return Number("data" in values ? values.data[row] : values[row]);
}

async function finalValues(
  batch: StepBatch<NdArray<"float32">>,
  policy: ActorCritic,
): Promise<Float32Array | undefined> {
  const ended = batch.finalMask?.data.some((flag) => flag === 1);
  if (!ended || batch.finalObservations === undefined) return undefined;
  return (await policy.values(batch.finalObservations)).data;
}

function recordStep(
  rollout: Rollout,
  t: number,
  batch: StepBatch<NdArray<"float32">>,
  cursor: RolloutCursor,
): void {
  const { rows } = rollout;
  for (let i = 0; i < rows; i++) {
    const at = t * rows + i;
    const ended = batch.terminations.data[i] | batch.truncations.data[i];
    const soft = infoAt(batch, "continueProbability", i);
    const terminated = batch.terminations.data[i] === 1;
    rollout.rewards[at] = batch.rewards.data[i];
    rollout.continues[at] = terminated ? 0 : (soft ?? 1);
    rollout.ends[at] = ended;
    rollout.weights[at] = cursor.alive[i];
    cursor.alive[i] = ended ? 1 : cursor.alive[i] * rollout.continues[at];
    cursor.begins.data[i] = ended;
  }
}

function requireLastObservations(env: FeatureEnv): void {
  if (env.metadata.autoreset === "same-step") return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "the rollout loop needs last observations",
    expected: 'autoreset "same-step"',
    got: String(env.metadata.autoreset),
    fix: 'wrap the environment: withAutoreset(env, "same-step")',
  });
}

function recordDecision(
  rollout: Rollout,
  t: number,
  observations: NdArray<"float32">,
  { actions, logProbabilities, values }: Decision,
): void {
  const at = t * rollout.rows;
  rollout.observations.data.set(observations.data, at * rollout.observations.shape[1]);
  rollout.actions.data.set(actions.data, at * rollout.actions.shape[1]);
  rollout.logProbabilities.set((logProbabilities as NdArray<"float32">).data, at);
  rollout.values.set((values as NdArray<"float32">).data, at);
}

/** Fill `nextValues` of steps whose episode went on: the next step's value, and `last` after the last step. */
function linkValues(rollout: Rollout, last: Float32Array): void {
  const { steps, rows, ends, values, nextValues } = rollout;
  for (let at = 0; at < steps * rows; at++) {
    if (ends[at]) continue;
    nextValues[at] = at + rows < steps * rows ? values[at + rows] : last[at % rows];
  }
}

/**
 * Step `env` (autoreset "same-step") `steps` times with sampled actions.
 *
 * Of a soft dream the predicted probabilities count instead of drawn ends: its info column `continueProbability` says so.
 * @param options.cursor where the last rollout stopped (`beginRollout` for the first); moved on in place
 */
export async function collectRollout(options: {
  env: FeatureEnv;
  policy: ActorCritic;
  steps: number;
  rng: Rng;
  cursor: RolloutCursor;
}): Promise<Rollout> {
  const { env, policy, steps, rng, cursor } = options;
  requireLastObservations(env);
  const rows = env.numEnvs;
  const sizes = { features: cursor.observations.shape[1], actions: policy.config.actionSize };
  const rollout = emptyRollout(steps, rows, sizes);
  for (let t = 0; t < steps; t++) {
    const decision = await policy.act(cursor.observations, cursor.begins, { rng });
    recordDecision(rollout, t, cursor.observations, decision);
    const batch = await env.step(decision.actions);
    recordStep(rollout, t, batch, cursor);
    const finals = await finalValues(batch, policy);
    for (let i = 0; i < rows; i++)
      if (finals && rollout.ends[t * rows + i]) rollout.nextValues[t * rows + i] = finals[i];
    cursor.observations = copied(batch.observations);
  }
  linkValues(rollout, (await policy.values(cursor.observations)).data);
  return rollout;
}
