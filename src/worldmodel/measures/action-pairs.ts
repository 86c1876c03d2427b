/** @file Pairs of neighbouring moments with the action between them, and how well such actions were read. */

import { fail } from "../../core/errors.ts";
import { rows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { lengthOf, type Episode } from "../../data/episode.ts";
import type { Observation } from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** Two neighbouring moments of an episode and the action between them. */
export interface ActionPairs {
  readonly before: Observation;
  readonly after: Observation;
  /** float32 [B, A] */
  readonly actions: Floats;
}

/** Where an episode's rows are, and rows of one observation put together: [B, …]. */
function gather(episodes: readonly Episode[], at: readonly (readonly [number, number])[]): Observation {
  const [first] = episodes;
  const frame = zeros("uint8", [at.length, ...first.frames.shape.slice(1)]);
  const state = zeros("float32", [at.length, first.states.shape[1]]);
  at.forEach(([episode, row], b) => {
    frame.data.set(rows(episodes[episode].frames, row, row + 1).data, (b * frame.data.length) / at.length);
    state.data.set(rows(episodes[episode].states, row, row + 1).data, b * state.shape[1]);
  });
  return { frame, state };
}

/** Random pairs of recorded episodes. @throws INVALID_ARGUMENT when there is no episode */
export function drawActionPairs(
  episodes: readonly Episode[],
  { count, rng }: { count: number; rng: Rng },
): ActionPairs {
  const total = episodes.reduce((sum, episode) => sum + lengthOf(episode), 0);
  if (total === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "an inverse-dynamics probe needs recorded episodes",
      expected: "one or more",
      got: "none",
      fix: "give a folder with episodes",
    });
  }
  const at = Array.from({ length: count }, (): [number, number] => {
    let left = Math.floor(rng.random() * total);
    let episode = 0;
    while (left >= lengthOf(episodes[episode])) left -= lengthOf(episodes[episode++]);
    return [episode, left];
  });
  const size = episodes[0].actions.shape[1];
  const actions = zeros("float32", [count, size]);
  at.forEach(([episode, row], b) =>
    actions.data.set(rows(episodes[episode].actions, row, row + 1).data, b * size),
  );
  const after = at.map(([episode, row]): [number, number] => [episode, row + 1]);
  return { before: gather(episodes, at), after: gather(episodes, after), actions };
}

/** How well actions were read. */
export interface ActionScore {
  /** Mean absolute error per dimension, in the action's own [-1, 1]. */
  readonly error: readonly number[];
  /** 1 − squared error / variance per dimension: 1 is exact, 0 no better than the mean; NaN where all actions are alike. */
  readonly rSquared: readonly number[];
}

/** Read actions [B, A] against those taken. */
export function scoreActions(read: Floats, taken: Floats): ActionScore {
  const [count, size] = taken.shape;
  const columns = Array.from({ length: size }, (_, a) => a);
  const at = (x: Floats, b: number, a: number): number => x.data[b * size + a];
  const each = <T>(fn: (b: number) => T): T[] => Array.from({ length: count }, (_, b) => fn(b));
  const sum = (values: readonly number[]): number => values.reduce((x, y) => x + y, 0);
  return {
    error: columns.map((a) => sum(each((b) => Math.abs(at(read, b, a) - at(taken, b, a)))) / count),
    rSquared: columns.map((a) => {
      const mean = sum(each((b) => at(taken, b, a))) / count;
      const residual = sum(each((b) => (at(read, b, a) - at(taken, b, a)) ** 2));
      const spread = sum(each((b) => (at(taken, b, a) - mean) ** 2));
      return spread === 0 ? NaN : 1 - residual / spread;
    }),
  };
}
