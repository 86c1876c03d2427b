/** @file The exploitation gap: what a policy earns in imagination against what it really earned from the same states. */

import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import type { Policy } from "../../policy/policy.ts";
import { contextState, type LatentReplay } from "../../worldmodel/contexts.ts";
import type { LatentWorldModel } from "../../worldmodel/latent/latent-model.ts";
import type { LatentState, WorldModel } from "../../worldmodel/worldmodel.ts";

/** Means over windows of the policy's own episodes, actions sampled on both sides. */
export interface ImaginationGap {
  readonly horizon: number;
  readonly imaginedReturn: number;
  readonly realReturn: number;
  /** Standard error of imagined minus real. */
  readonly standardError: number;
  /** Crashes per step. */
  readonly imaginedHazard: number;
  readonly realHazard: number;
}

/** Real reward over the window's steps after the present, and whether it crashed. */
function realOutcome(
  replay: LatentReplay,
  at: { episode: number; present: number },
  horizon: number,
): { sum: number; crashed: number; steps: number } {
  const episode = replay.episodes[at.episode];
  const rewards = episode.columns.reward.data;
  const end = Math.min(episode.length, at.present + horizon);
  let sum = 0;
  for (let t = at.present; t < end; t++) sum += rewards[t];
  const crashed =
    episode.terminated && end === episode.length && at.present + horizon >= episode.length ? 1 : 0;
  return { sum, crashed, steps: end - at.present };
}

/** Steps drawn uniformly from those whose next `horizon` steps are known: all before a crash, not the last before a cut. */
function presentSteps(replay: LatentReplay, count: number, rng: Rng, horizon: number): Segment[] {
  const usable = replay.episodes.map(({ terminated, length }) =>
    Math.max(0, terminated ? length : length - horizon),
  );
  const total = usable.reduce((a, b) => a + b, 0);
  return Array.from({ length: count }, () => {
    let left = Math.floor(rng.random() * total);
    let episode = 0;
    while (left >= usable[episode]) left -= usable[episode++];
    return { episode, present: left };
  });
}

/** What a policy met in imagination. */
export interface Imagined {
  /** Return per window, each step weighed by the probability of being alive. */
  readonly returns: Float64Array;
  /** The same after every step: a copy per step. */
  readonly returnsByStep: readonly Float64Array[];
  /** Probability per window of having ended. */
  readonly ended: Float64Array;
  /** Crashes per step survived. */
  readonly hazard: number;
}

/** Roll the policy on from `start`, a batch of `windows` rows, actions sampled. */
export async function imagineFrom(
  start: LatentState,
  windows: number,
  options: Pick<GapOptions, "horizon" | "rng"> & {
    readonly model: WorldModel;
    readonly policy: Policy<NdArray<"float32">>;
  },
): Promise<Imagined> {
  const { model, policy, horizon, rng } = options;
  const returnsByStep: Float64Array[] = [];
  const returns = new Float64Array(windows);
  const alive = new Float64Array(windows).fill(1);
  const begins = zeros("bool", [windows]);
  let state = start;
  let [hazard, exposure] = [0, 0];
  for (let h = 0; h < horizon; h++) {
    const { actions } = await policy.act(model.features(state), begins, { rng });
    const prediction = await model.step(state, actions, rng);
    for (let i = 0; i < windows; i++) {
      const p = prediction.terminatedProbabilities.data[i];
      returns[i] += alive[i] * prediction.rewards.data[i];
      hazard += alive[i] * p;
      exposure += alive[i];
      alive[i] *= 1 - p;
    }
    returnsByStep.push(returns.slice());
    state = prediction.state;
  }
  return { returns, returnsByStep, ended: alive.map((p) => 1 - p), hazard: hazard / exposure };
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((a, b) => a + b, 0) / values.length;
}

/** What is compared, and how far. */
export interface GapOptions {
  readonly model: LatentWorldModel;
  /** The policy's own episodes, with its exploration. */
  readonly replay: LatentReplay;
  readonly policy: ActorCritic;
  readonly horizon: number;
  readonly windows: number;
  readonly rng: Rng;
}

/** Roll the policy in imagination from states of its own episodes and compare with what followed there. */
export async function imaginationGap(options: GapOptions): Promise<ImaginationGap> {
  const { model, replay, horizon, windows, rng } = options;
  const segments = presentSteps(replay, windows, rng, horizon);
  const batch = replay.gather(segments, { context: model.contextLength, horizon: 0 });
  const imagined = await imagineFrom(contextState(model, batch), windows, options);
  const real = segments.map((segment) => realOutcome(replay, segment, horizon));
  const differences = real.map(({ sum }, i) => imagined.returns[i] - sum);
  const gap = mean(differences);
  const realReturn = mean(real.map(({ sum }) => sum));
  return {
    horizon,
    imaginedReturn: realReturn + gap,
    realReturn,
    standardError: Math.sqrt(mean(differences.map((value) => (value - gap) ** 2)) / windows),
    imaginedHazard: imagined.hazard,
    realHazard: mean(real.map(({ crashed }) => crashed)) / mean(real.map(({ steps }) => steps)),
  };
}
