/** @file Crash calibration: does the model foresee the crashes that real action sequences led to, and no others? */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import { contextState, type LatentReplay } from "../contexts.ts";
import { imagineActions, presentActions } from "../imagine.ts";
import { reliability, type Reliability } from "./reliability.ts";
import type { EncodedWorldModel } from "../worldmodel.ts";

/** Imagined crash probability of real action sequences, by when they really crashed. */
export interface CrashCalibration {
  readonly label: string;
  readonly probability: number;
  readonly standardError: number;
  readonly windows: number;
}

/** Steps that an imagined crash may come later than the real one and still count as foreseen. */
const lateSteps = 2;
const safeSteps = 15;

/** Windows whose real crash comes at step 1–3, 4–8, 9–15, or not within 15 steps. */
function crashSegments(
  replay: LatentReplay,
  options: { windows: number; rng: Rng },
): Map<string, { segment: Segment; step: number }[]> {
  const { windows, rng } = options;
  const bins: [string, number, number][] = [
    ["1-3", 1, 3],
    ["4-8", 4, 8],
    ["9-15", 9, 15],
  ];
  const out = new Map<string, { segment: Segment; step: number }[]>();
  for (const [label, from, to] of bins) {
    const crashed = replay.episodes.filter(({ terminated, length }) => terminated && length >= from);
    const drawn = crashed.length === 0 ? 0 : windows;
    const list = Array.from({ length: drawn }, () => {
      const episode = crashed[Math.floor(rng.random() * crashed.length)];
      const step = Math.min(episode.length, from + Math.floor(rng.random() * (to - from + 1)));
      return { segment: { episode: episode.index, present: episode.length - step }, step };
    });
    out.set(label, list);
  }
  const calm = replay.episodes.filter((episode) => episode.length > safeSteps + 1);
  const safe = Array.from({ length: calm.length === 0 ? 0 : windows }, () => {
    const { index, length } = calm[Math.floor(rng.random() * calm.length)];
    return {
      segment: { episode: index, present: Math.floor(rng.random() * (length - safeSteps)) },
      step: safeSteps,
    };
  });
  out.set("never", safe);
  return out;
}

/**
 * For each group of real action sequences, the imagined probability of a crash by the real crash's step (two steps late
 * counts; the last action is held) or, for safe ones, within 15 steps.
 */
export async function crashCalibration(options: {
  model: EncodedWorldModel;
  replay: LatentReplay;
  windows: number;
  rng: Rng;
}): Promise<CrashCalibration[]> {
  const { model, replay } = options;
  const results: CrashCalibration[] = [];
  for (const [label, group] of crashSegments(replay, options)) {
    if (group.length === 0) continue;
    const horizon = Math.max(...group.map(({ step }) => step)) + (label === "never" ? 0 : lateSteps);
    const batch = replay.gather(
      group.map(({ segment }) => segment),
      { context: model.contextLength, horizon },
    );
    const actions = presentActions(batch.transitions.action, model.contextLength);
    holdLastAction(
      actions,
      group.map(({ step }) => step),
    );
    const survival = new Float64Array(group.length).fill(1);
    await imagineActions(model, contextState(model, batch), actions, (h, { terminatedProbabilities }) => {
      group.forEach(({ step }, b) => {
        const limit = label === "never" ? step : step + lateSteps;
        if (h < limit) survival[b] *= 1 - terminatedProbabilities.data[b];
      });
    });
    const crash = Array.from(survival, (alive) => 1 - alive);
    const mean = crash.reduce((a, b) => a + b, 0) / crash.length;
    const variance = crash.reduce((sum, p) => sum + (p - mean) ** 2, 0) / Math.max(1, crash.length - 1);
    results.push({
      label,
      probability: mean,
      standardError: Math.sqrt(variance / crash.length),
      windows: crash.length,
    });
  }
  return results;
}

/** Repeat each row's action of its last real step to the end of the sequence. */
function holdLastAction(actions: NdArray<"float32">, steps: readonly number[]): void {
  const [, length, size] = actions.shape;
  steps.forEach((step, b) => {
    for (let h = step; h < length; h++) {
      for (let a = 0; a < size; a++)
        actions.data[(b * length + h) * size + a] = actions.data[(b * length + step - 1) * size + a];
    }
  });
}

/** Do imagined ends and rewards mean what they say, over ordinary states of the recordings? */
export interface Foresight {
  /** Steps within which an end is foretold. */
  readonly within: number;
  /** Imagined probability of an end within those steps against whether it came. */
  readonly ends: Reliability;
  /** Imagined reward of single steps, ends left out, against the real one; bins of equal counts. */
  readonly rewards: readonly { readonly horizon: number; readonly reliability: Reliability }[];
}

/** Inner borders of the bins of foretold ends. */
const endBins = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** States whose next `steps` steps are known: all before an end, not the last before a cut; each as likely as any other. */
function knownSegments(
  replay: LatentReplay,
  options: { windows: number; steps: number; rng: Rng },
): Segment[] {
  const { windows, steps, rng } = options;
  const usable = replay.episodes.map(({ terminated, length }) =>
    Math.max(0, terminated ? length : length - steps + 1),
  );
  const total = usable.reduce((a, b) => a + b, 0);
  if (total === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no recorded state's future is known for long enough",
      expected: `an episode that ended, or one of ${steps} steps`,
      got: `${replay.episodes.length} episodes`,
      fix: "record longer validation episodes",
    });
  }
  return Array.from({ length: windows }, () => {
    let left = Math.floor(rng.random() * total);
    let episode = 0;
    while (left >= usable[episode]) left -= usable[episode++];
    return { episode, present: left };
  });
}

/**
 * Reliability of imagined ends within 15 steps and of imagined rewards, under the actions that were really taken (after a
 * real end the last one is held).
 * @throws INVALID_ARGUMENT when no recorded state's next 15 steps are known
 */
export async function foresight(options: {
  model: EncodedWorldModel;
  replay: LatentReplay;
  horizons: readonly number[];
  windows: number;
  rng: Rng;
}): Promise<Foresight> {
  const { model, replay, windows, horizons } = options;
  const within = safeSteps;
  const segments = knownSegments(replay, { windows, steps: within, rng: options.rng });
  const batch = replay.gather(segments, { context: model.contextLength, horizon: within });
  const actions = presentActions(batch.transitions.action, model.contextLength);
  const left = segments.map(({ episode, present }) => replay.episodes[episode].length - present);
  holdLastAction(
    actions,
    left.map((steps) => Math.min(steps, within)),
  );
  const ended = segments.map(({ episode }, b) => replay.episodes[episode].terminated && left[b] <= within);
  const alive = new Float64Array(windows).fill(1);
  const rewards: { horizon: number; reliability: Reliability }[] = [];
  await imagineActions(model, contextState(model, batch), actions, (h, prediction) => {
    prediction.terminatedProbabilities.data.forEach((p, b) => (alive[b] *= 1 - p));
    if (!horizons.includes(h + 1)) return;
    const going = segments.map((_, b) => b).filter((b) => left[b] > h + (ended[b] ? 1 : 0));
    const real = going.map((b) => {
      const { episode, present } = segments[b];
      return replay.episodes[episode].columns.reward.data[present + h];
    });
    const imagined = going.map((b) => prediction.rewards.data[b]);
    if (going.length > 0)
      rewards.push({ horizon: h + 1, reliability: reliability(imagined, real, "quantiles") });
  });
  const foretold = Array.from(alive, (p) => 1 - p);
  const came = ended.map(Number);
  return { within, ends: reliability(foretold, came, endBins), rewards };
}
