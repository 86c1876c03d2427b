/** @file Inverse dynamics: a small network reads from two moments which action lay between them; of dreams it tells whether they obey. */

import { jit, tf, type Tensor } from "../../engine/jit.ts";
import { rows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { Episode } from "../../data/episode.ts";
import {
  initLinear,
  initMlp,
  initNorm,
  linear,
  mlp,
  normalInit,
  rmsNorm,
  type Linear,
  type Mlp,
  type Norm,
} from "../../nn/layers.ts";
import type { LossResult } from "../../nn/gradients.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { makeTrainStep, weightsOf } from "../../nn/trainer.ts";
import { initBlocks, patchify, transformer, type Blocks } from "../../nn/transformer.ts";
import { drawActionPairs, type ActionPairs } from "./action-pairs.ts";
import type { Observation } from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** What a probe looks at: pictures alone, or state vectors alone. */
export type ProbeView = "frames" | "states";

/** What a probe says of pairs. */
export interface ProbeReading {
  /** float32 [B, A] */
  readonly actions: Floats;
  /** float32 [B, F]: its last hidden layer, a description of what is seen and how it moves. */
  readonly features: Floats;
}

/** A trained inverse-dynamics network; frozen. */
export interface ActionProbe {
  readonly view: ProbeView;
  read(pairs: Pick<ActionPairs, "before" | "after">): Promise<ProbeReading>;
}

/** Training of a probe; small enough for seconds. */
export interface ProbeOptions {
  readonly episodes: readonly Episode[];
  readonly view: ProbeView;
  readonly steps: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly rng: Rng;
}

interface FrameParams<T> {
  readonly embed: Linear<T>;
  readonly positions: T;
  readonly blocks: Blocks<T>;
  readonly norm: Norm<T>;
  readonly features: Linear<T>;
  readonly output: Linear<T>;
}

interface StateParams<T> {
  readonly hidden: Mlp<T>;
  readonly output: Linear<T>;
}

type ProbeParams<T> = FrameParams<T> | StateParams<T>;

const [DIM, HEADS, BLOCKS, FEATURES, PATCH, CHUNK] = [64, 4, 2, 24, 16, 64];

/** The largest patch of at most 16 pixels that divides both sides. */
function patchOf([height, width]: readonly number[]): number {
  let patch = Math.min(PATCH, height, width);
  while (height % patch !== 0 || width % patch !== 0) patch--;
  return patch;
}

function initProbe(
  rng: Rng,
  view: ProbeView,
  { frame, state }: Observation,
  actions: number,
): ProbeParams<NdArray> {
  const output = initLinear(rng, FEATURES, actions, 0.3);
  if (view === "states") return { hidden: initMlp(rng, [2 * state.shape[1], DIM, DIM, FEATURES]), output };
  const [height, width, channels] = frame.shape.slice(1);
  const patch = patchOf([height, width]);
  const tokens = (height / patch) * (width / patch);
  return {
    embed: initLinear(rng, patch * patch * channels * 2, DIM),
    positions: normalInit(rng, [tokens + 1, DIM], 0.1),
    blocks: initBlocks(rng, DIM, BLOCKS),
    norm: initNorm(DIM),
    features: initLinear(rng, DIM, FEATURES),
    output,
  };
}

/** What a probe's network takes: uint8 [B, H, W, 3] or standardized float32 [B, S], of either moment. */
interface ProbeInput<T> {
  readonly before: T;
  readonly after: T;
}

function hiddenOf(p: ProbeParams<Tensor>, { before, after }: ProbeInput<Tensor>): Tensor {
  if ("hidden" in p) return tf.tanh(mlp(p.hidden, tf.concat([before, after], -1)));
  const [height, width] = before.shape.slice(1) as [number, number];
  const [was, is] = [before, after].map((frames) => tf.sub(tf.div(tf.cast(frames, "float32"), 127.5), 1));
  const pair = tf.concat([is, tf.mul(tf.sub(is, was), 2)], -1);
  const tokens = tf.pad(linear(p.embed, patchify(pair, patchOf([height, width]))), [
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  const { output } = transformer(p.blocks, tf.add(tokens, p.positions), { heads: HEADS });
  const [batch, count] = output.shape as [number, number];
  const last = tf.reshape(tf.slice(output, [0, count - 1, 0], [batch, 1, DIM]), [batch, DIM]);
  return tf.tanh(linear(p.features, rmsNorm(p.norm, last)));
}

/** Means and deviations of a training set's states, so that the network sees numbers about 1. */
interface Scale {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

function scaleOf(states: Floats): Scale {
  const [count, size] = states.shape;
  const mean = new Array<number>(size).fill(0);
  const squares = new Array<number>(size).fill(0);
  states.data.forEach((value, i) => {
    mean[i % size] += value / count;
    squares[i % size] += value ** 2 / count;
  });
  return { mean, deviation: squares.map((square, i) => Math.sqrt(Math.max(0, square - mean[i] ** 2)) || 1) };
}

function inputOf(
  view: ProbeView,
  { before, after }: Pick<ActionPairs, "before" | "after">,
  scale: Scale,
): ProbeInput<NdArray> {
  if (view === "frames") return { before: before.frame, after: after.frame };
  const [was, is] = [before, after].map(({ state }) => {
    const { mean, deviation } = scale;
    const data = state.data.map((value, i) => (value - mean[i % mean.length]) / deviation[i % mean.length]);
    return { ...state, data };
  });
  // The change is small against the states themselves.
  const change = { ...is, data: is.data.map((value, i) => 10 * (value - was.data[i])) };
  return { before: is, after: change };
}

/** Train a probe on pairs of recorded episodes. @throws INVALID_ARGUMENT when there is none */
export async function trainActionProbe(options: ProbeOptions): Promise<ActionProbe> {
  const { episodes, view, steps, batchSize = 64, learningRate = 0.003, rng } = options;
  const sample = drawActionPairs(episodes, { count: 512, rng });
  const scale = scaleOf(sample.before.state);
  const loss = (p: ProbeParams<Tensor>, batch: ProbeInput<Tensor> & { actions: Tensor }): LossResult => ({
    loss: tf.mean(tf.square(tf.sub(linear(p.output, hiddenOf(p, batch)), batch.actions))),
  });
  const step = makeTrainStep<ProbeParams<Tensor>, ProbeInput<Tensor> & { actions: Tensor }>({
    name: `probe.${view}`,
    loss,
    optimizer: { kind: "adamw", weightDecay: 0.01, clipNorm: 1 },
    averageDecay: 0.98,
  });
  let state = step.init(initProbe(rng, view, sample.before, sample.actions.shape[1]));
  const schedule = { peak: learningRate, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  for (let i = 0; i < steps; i++) {
    const pairs = drawActionPairs(episodes, { count: batchSize, rng });
    const batch = { ...inputOf(view, pairs, scale), actions: pairs.actions };
    state = (await step.step(state, batch, learningRateAt(schedule, i))).state;
  }
  await step.dispose();
  return frozenProbe(view, scale, weightsOf(state));
}

function frozenProbe(view: ProbeView, scale: Scale, params: ProbeParams<NdArray>): ActionProbe {
  const run = jit(
    ({ params: p, ...pair }: { params: ProbeParams<Tensor> } & ProbeInput<Tensor>) => {
      const features = hiddenOf(p, pair);
      return { features, actions: linear(p.output, features) };
    },
    { name: `probe.${view}.read` },
  );
  return {
    view,
    async read(pairs) {
      const input = inputOf(view, pairs, scale);
      const count = input.before.shape[0];
      const out = {
        actions: zeros("float32", [count, params.output.bias.shape[0]]),
        features: zeros("float32", [count, FEATURES]),
      };
      for (let from = 0; from < count; from += CHUNK) {
        const to = Math.min(count, from + CHUNK);
        const cut = { before: padded(input.before, from, to), after: padded(input.after, from, to) };
        const part = (await run({ params, ...cut })) as unknown as ProbeReading;
        for (const key of ["actions", "features"] as const) {
          const width = out[key].shape[1];
          out[key].data.set(part[key].data.subarray(0, (to - from) * width), from * width);
        }
      }
      return out;
    },
  };
}

/** Rows [from, to) with empty ones after them, so that one compiled graph serves any count. */
function padded(x: NdArray, from: number, to: number): NdArray {
  if (to - from === CHUNK) return rows(x, from, to);
  const out = zeros(x.dtype, [CHUNK, ...x.shape.slice(1)]);
  out.data.set(rows(x, from, to).data as never);
  return out;
}
