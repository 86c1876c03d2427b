/** @file Episodes: one recorded run of one environment, and the checks that make it a well-formed one. */

import { fail } from "../core/errors.ts";
import type { DType, NdArray } from "../core/ndarray.ts";

/** Facts about an episode: env id, seed, split, policy name, …; anything that JSON can hold. */
export type EpisodeMeta = Record<string, unknown>;

/**
 * One whole episode of T ≥ 1 steps.
 *
 * Row t of the transitions: `actions[t]` was taken in observation t, gave `rewards[t]` and led to observation t + 1.
 */
export interface Episode {
  /** Names its file: letters, digits, dot, dash and underscore, at most 120. */
  readonly id: string;
  readonly meta: EpisodeMeta;
  /** uint8 [T + 1, H, W, 3] */
  readonly frames: NdArray<"uint8">;
  /** float32 [T + 1, S] in SI units; S may be 0. */
  readonly states: NdArray<"float32">;
  /** float32 [T, A] in [-1, 1] */
  readonly actions: NdArray<"float32">;
  /** float32 [T] */
  readonly rewards: NdArray<"float32">;
  /** The task ended in the last step: its value is 0 after it. */
  readonly terminated: boolean;
  /** Cut from outside after the last step: what follows is unknown, not worthless. */
  readonly truncated: boolean;
  /** Further arrays by name (time stamps, depth, …) whose first axis is T or T + 1. */
  readonly extras?: Readonly<Record<string, NdArray>>;
}

/** Number of steps T. */
export function lengthOf(episode: Episode): number {
  return episode.rewards.shape[0];
}

interface Expectation {
  readonly name: string;
  readonly array: NdArray;
  readonly dtype: DType;
  readonly rank: number;
  readonly rows: number;
}

function checkArray(id: string, e: Expectation): void {
  const { dtype, shape } = e.array;
  if (dtype === e.dtype && shape.length === e.rank && shape[0] === e.rows) return;
  fail({
    code: dtype === e.dtype ? "INVALID_SHAPE" : "INVALID_DTYPE",
    what: `episode "${id}": ${e.name} is malformed`,
    expected: `${e.dtype} with ${e.rank} axes and ${e.rows} rows`,
    got: `${dtype} [${shape.join(", ")}]`,
    fix: "record one more observation than actions and rewards",
  });
}

/**
 * Check an episode's id, dtypes and shapes; returns it.
 *
 * @throws INVALID_ARGUMENT (id, no steps), INVALID_SHAPE, INVALID_DTYPE
 */
export function checkEpisode(episode: Episode): Episode {
  const { id, frames, states, actions, rewards, extras = {} } = episode;
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,119}$/.test(id)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "an episode's id names its file",
      expected: "1 to 120 letters, digits, dots, dashes or underscores, the first no dot or dash",
      got: JSON.stringify(id),
    });
  }
  const steps = rewards.shape[0] ?? 0;
  if (steps < 1)
    fail({ code: "INVALID_ARGUMENT", what: `episode "${id}" has no steps`, expected: "at least one" });
  checkArray(id, { name: "rewards", array: rewards, dtype: "float32", rank: 1, rows: steps });
  checkArray(id, { name: "actions", array: actions, dtype: "float32", rank: 2, rows: steps });
  checkArray(id, { name: "states", array: states, dtype: "float32", rank: 2, rows: steps + 1 });
  checkArray(id, { name: "frames", array: frames, dtype: "uint8", rank: 4, rows: steps + 1 });
  for (const [name, array] of Object.entries(extras)) {
    if (array.shape[0] === steps || array.shape[0] === steps + 1) continue;
    fail({
      code: "INVALID_SHAPE",
      what: `episode "${id}": extra "${name}" belongs to neither steps nor observations`,
      expected: `${steps} or ${steps + 1} rows`,
      got: `[${array.shape.join(", ")}]`,
    });
  }
  return episode;
}
