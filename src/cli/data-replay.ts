/** @file `reverie data replay`: recorded actions once more in the environment that recorded them, and how far the outcome differs. */

import { fail } from "../core/errors.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import { Discrete } from "../core/spaces/discrete.ts";
import type { Space } from "../core/spaces/space.ts";
import { openEpisodes } from "../data/episode-source.ts";
import type { Episode } from "../data/episode.ts";
import { lengthOf } from "../data/episode.ts";
import type { StepBatch, VectorEnv } from "../env/env.ts";
import { Registry } from "../env/registry.ts";
import { tableText } from "../experiment/report/table.ts";
import type { Column } from "../experiment/report/table.ts";
import { builtinEnvs } from "../sim/envs.ts";

/** How far a replay went from the recording: largest differences of any step. */
export interface ReplayReport {
  readonly id: string;
  readonly steps: number;
  /** Steps that were replayed before an end, the recorded one or an earlier one. */
  readonly replayed: number;
  /** First step whose outcome is not the recorded one to the bit; undefined when all are. */
  readonly firstDifference: number | undefined;
  readonly state: number;
  readonly reward: number;
  /** 0 … 255 */
  readonly pixel: number;
  readonly sameEnd: boolean;
}

/** Where an episode begins. */
interface Start {
  readonly seed: number;
  readonly options?: Record<string, unknown>;
}

/** What the recorder wrote of the reset; undefined when the episode began without a seed. */
export function startOf({ meta }: Episode): Start | undefined {
  const reset = meta.reset as Partial<Start> | undefined;
  if (typeof reset?.seed !== "number") return undefined;
  return { seed: reset.seed, ...(reset.options === undefined ? {} : { options: reset.options }) };
}

/** Actions in the environment's own units, one row per step. */
function actionsFor(space: Space, episode: Episode): (t: number) => NdArray {
  const executed = episode.extras?.executed;
  const source = executed ?? episode.actions;
  const width = source.data.length / lengthOf(episode);
  if (space instanceof Discrete && executed !== undefined) {
    return (t) => ({
      dtype: "int64",
      shape: [1],
      data: BigInt64Array.of(BigInt(Math.round(Number(source.data[t])))),
    });
  }
  if (!(space instanceof Box) || space.low.data.length !== width) {
    fail({
      code: "NOT_SUPPORTED",
      what: `the actions of episode "${episode.id}" do not fit this environment`,
      expected: String(space),
      got: `${width} numbers per step`,
    });
  }
  const [low, high] = [space.low.data, space.high.data].map((bounds) => Array.from(bounds, Number));
  return (t) => {
    const action = zeros(space.dtype, [1, ...space.low.shape]);
    for (let i = 0; i < width; i++) {
      const value = Number(source.data[t * width + i]);
      const scaled = executed === undefined ? low[i] + ((value + 1) / 2) * (high[i] - low[i]) : value;
      (action.data as Float32Array)[i] = scaled;
    }
    return action;
  };
}

/** Arrays of an observation that have the form of frames or of states. */
function observed(observations: unknown): { frame?: NdArray; state?: NdArray } {
  const arrays = isNdArray(observations)
    ? [observations]
    : Object.values((observations ?? {}) as Record<string, unknown>).filter(isNdArray);
  return {
    frame: arrays.find(({ dtype, shape }) => dtype === "uint8" && shape.length === 4),
    state: arrays.find(({ dtype, shape }) => dtype === "float32" && shape.length === 2),
  };
}

/** Largest difference to row `row` of the recording; 0 where one of both has no such array. */
function difference(live: NdArray | undefined, recorded: NdArray, row: number): number {
  const size = recorded.data.length / recorded.shape[0];
  if (live === undefined || size === 0 || live.data.length !== size) return 0;
  let largest = 0;
  for (let i = 0; i < size; i++)
    largest = Math.max(largest, Math.abs(Number(live.data[i]) - Number(recorded.data[row * size + i])));
  return largest;
}

/**
 * Play an episode again in `env`, a primitive with one row, from `start`.
 *
 * @throws NOT_SUPPORTED when the actions do not fit the environment
 */
export async function replayRecorded(env: VectorEnv, episode: Episode, start: Start): Promise<ReplayReport> {
  const steps = lengthOf(episode);
  const actionAt = actionsFor(env.singleActionSpace, episode);
  const worst = { state: 0, reward: 0, pixel: 0 };
  let firstDifference: number | undefined;
  const compare = (observations: unknown, row: number, rewardError: number): void => {
    const { frame, state } = observed(observations);
    const found = {
      state: difference(state, episode.states, row),
      reward: rewardError,
      pixel: difference(frame, episode.frames, row),
    };
    for (const key of ["state", "reward", "pixel"] as const) worst[key] = Math.max(worst[key], found[key]);
    if (Object.values(found).some((value) => value > 0)) firstDifference ??= row;
  };
  compare((await env.reset(start)).observations, 0, 0);
  let replayed = 0;
  let end: StepBatch | undefined;
  while (replayed < steps && end === undefined) {
    const batch = await env.step(actionAt(replayed));
    const reward = Math.fround(batch.rewards.data[0]);
    compare(batch.observations, replayed + 1, Math.abs(reward - episode.rewards.data[replayed]));
    replayed++;
    if (batch.terminations.data[0] === 1 || batch.truncations.data[0] === 1) end = batch;
  }
  // A recording may be cut from outside where the environment would have gone on.
  const sameEnd = replayed === steps && (end?.terminations.data[0] === 1) === episode.terminated;
  return { id: episode.id, steps, replayed, firstDifference, ...worst, sameEnd };
}

/** Options of `reverie data replay`. */
export interface ReplayOptions {
  /** Places of the episodes; all unless given. */
  readonly episodes?: readonly number[];
  readonly env?: string;
  readonly seed?: number;
  /** Fail when a state or reward differs by more, or an end does. */
  readonly tolerance?: number;
}

async function openEnv(episode: Episode, wanted: string | undefined): Promise<VectorEnv> {
  const id = wanted ?? episode.meta.env;
  if (typeof id !== "string") {
    return fail({
      code: "INVALID_ARGUMENT",
      what: `episode "${episode.id}" does not say which environment recorded it`,
      fix: "add --env",
    });
  }
  const kwargs = (episode.meta.kwargs ?? {}) as Record<string, unknown>;
  const registry = new Registry(builtinEnvs);
  // One row by the environment's single form: a batched one may draw its rows from a common generator.
  const mode = registry.spec(id).entryPoint === undefined ? "batched" : "sync";
  return registry.makeVec(id, { ...kwargs, numEnvs: 1, mode, autoreset: "disabled" });
}

const columns: readonly Column[] = [
  { key: "id", label: "episode" },
  { key: "steps", label: "steps", digits: 0 },
  { key: "replayed", label: "replayed", digits: 0 },
  { key: "first", label: "first difference", digits: 0 },
  { key: "state", label: "state", digits: 6 },
  { key: "reward", label: "reward", digits: 6 },
  { key: "pixel", label: "pixel", digits: 0 },
  { key: "end", label: "same end" },
];

function printReports(folder: string, reports: readonly ReplayReport[], without: number): void {
  const rows = reports.map(({ firstDifference, sameEnd, ...numbers }) => ({
    cells: { ...numbers, first: firstDifference ?? null, end: sameEnd ? "yes" : "NO" },
  }));
  const title = `Replay of ${folder}: largest differences to the recording`;
  const notes = without > 0 ? [`${without} episodes began without a seed and cannot be replayed alone`] : [];
  process.stdout.write(`${tableText({ title, columns, rows, notes })}\n`);
}

/** Replay episodes of a folder and print how far they differ. @throws NOT_SUPPORTED (no start recorded), UNKNOWN_NAME */
export async function dataReplay(folder: string, options: ReplayOptions): Promise<void> {
  const source = await openEpisodes(folder);
  const reports: ReplayReport[] = [];
  let without = 0;
  try {
    for (const index of options.episodes ?? Array.from({ length: source.count }, (_, i) => i)) {
      const episode = await source.episode(index);
      const start = options.seed === undefined ? startOf(episode) : { seed: options.seed };
      if (start === undefined) {
        without++;
        continue;
      }
      const env = await openEnv(episode, options.env);
      try {
        reports.push(await replayRecorded(env, episode, start));
      } finally {
        await env.close();
      }
    }
  } finally {
    await source.close();
  }
  if (reports.length === 0) noStart(folder);
  printReports(folder, reports, without);
  checkTolerance(folder, reports, options.tolerance);
}

function noStart(folder: string): never {
  return fail({
    code: "NOT_SUPPORTED",
    what: `no episode of ${folder} says how it began`,
    expected: "meta.reset.seed, as recorders write it for resets with a seed",
    fix: "give the seed of its reset with --seed, or record with seeded resets",
  });
}

function checkTolerance(
  folder: string,
  reports: readonly ReplayReport[],
  tolerance: number | undefined,
): void {
  if (tolerance === undefined) return;
  const off = reports.filter(
    ({ state, reward, sameEnd }) => state > tolerance || reward > tolerance || !sameEnd,
  );
  if (off.length === 0) return;
  fail({
    code: "ENV_CONTRACT",
    what: `${off.length} of ${reports.length} episodes of ${folder} come out otherwise when replayed`,
    expected: `states and rewards within ${tolerance}, and the same end`,
    got: off.map(({ id }) => id).join(", "),
    fix: "see the table above; a changed simulator or other keyword arguments are the usual cause",
  });
}
