/** @file Statistics that a world model's weights were trained with: fitted on a replay, applied to states and rewards. */

import { zeros, type NdArray } from "../core/ndarray.ts";
import type { LatentReplay } from "./contexts.ts";

type Floats = NdArray<"float32">;

/** Statistics that the weights were trained with; they belong to the checkpoint. */
export interface Normalizers {
  /** [S] each, SI units. */
  readonly stateMean: readonly number[];
  readonly stateScale: readonly number[];
  readonly rewardMean: number;
  readonly rewardScale: number;
  /** Mean reward of the steps that ended the task; 0 where none did. */
  readonly terminalReward: number;
}

/** Means and scales of states and rewards over a replay; terminal rewards apart, as they are of another kind. */
export function fitNormalizers(replay: LatentReplay, stateSize: number): Normalizers {
  const sum = new Float64Array(stateSize);
  const squares = new Float64Array(stateSize);
  let rowsSeen = 0;
  const rewards = { count: 0, sum: 0, squares: 0 };
  const terminal = { count: 0, sum: 0 };
  for (const episode of replay.episodes) {
    const state = episode.columns.state.data;
    for (let i = 0; i < state.length; i++) {
      sum[i % stateSize] += state[i];
      squares[i % stateSize] += state[i] ** 2;
    }
    rowsSeen += state.length / Math.max(1, stateSize);
    const reward = episode.columns.reward.data;
    const alive = episode.terminated ? reward.length - 1 : reward.length;
    for (let t = 0; t < alive; t++) {
      rewards.count++;
      rewards.sum += reward[t];
      rewards.squares += reward[t] ** 2;
    }
    if (episode.terminated) {
      terminal.count++;
      terminal.sum += reward[alive];
    }
  }
  const scaleOf = (total: number, square: number, count: number): number =>
    Math.sqrt(Math.max(0, square / count - (total / count) ** 2)) || 1;
  return {
    stateMean: Array.from(sum, (value) => value / rowsSeen),
    stateScale: Array.from(sum, (value, i) => scaleOf(value, squares[i], rowsSeen)),
    rewardMean: rewards.sum / Math.max(1, rewards.count),
    rewardScale: scaleOf(rewards.sum, rewards.squares, Math.max(1, rewards.count)),
    terminalReward: terminal.count === 0 ? 0 : terminal.sum / terminal.count,
  };
}

/** States [..., S] in SI units to standard deviations from their mean; a new array. */
export function normalizeStates({ stateMean, stateScale }: Normalizers, states: Floats): Floats {
  const out = zeros("float32", states.shape);
  const size = stateMean.length;
  for (let i = 0; i < out.data.length; i++) {
    const s = i % size;
    out.data[i] = (states.data[i] - stateMean[s]) / stateScale[s];
  }
  return out;
}

/** The way back of `normalizeStates`, in SI units; a new array. */
export function restoreStates({ stateMean, stateScale }: Normalizers, states: Floats): Floats {
  const out = zeros("float32", states.shape);
  const size = stateMean.length;
  for (let i = 0; i < out.data.length; i++) {
    const s = i % size;
    out.data[i] = states.data[i] * stateScale[s] + stateMean[s];
  }
  return out;
}

/** Rewards of any shape to standard deviations from the mean of those that did not end the task; a new array. */
export function normalizeRewards({ rewardMean, rewardScale }: Normalizers, rewards: Floats): Floats {
  const out = zeros("float32", rewards.shape);
  for (let i = 0; i < out.data.length; i++) out.data[i] = (rewards.data[i] - rewardMean) / rewardScale;
  return out;
}

/** Expected rewards [B] of steps: the read one (normalized) if the task goes on, the mean terminal one if it ends. */
export function expectedRewards(
  { rewardMean, rewardScale, terminalReward }: Normalizers,
  alive: Floats,
  terminatedProbabilities: Floats,
): Floats {
  const out = zeros("float32", alive.shape);
  for (let i = 0; i < out.data.length; i++) {
    const p = terminatedProbabilities.data[i];
    out.data[i] = (1 - p) * (alive.data[i] * rewardScale + rewardMean) + p * terminalReward;
  }
  return out;
}
