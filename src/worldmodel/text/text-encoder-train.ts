/** @file Training the small text encoder: its vectors must tell which value each attribute of a sentence has. */

import { tf, type Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { initLinear, linear, type Linear } from "../../nn/layers.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { makeTraining } from "../../nn/trainer.ts";
import {
  encodeWords,
  initTextEncoder,
  wordBatch,
  type TextEncoderConfig,
  type TextEncoderParams,
  type WordBatch,
} from "./text-encoder.ts";

/** A sentence and the value of each attribute in it, in the attributes' order. */
export interface LabelledText {
  readonly text: string;
  readonly values: readonly number[];
}

interface Params<T> {
  readonly encoder: TextEncoderParams<T>;
  readonly heads: Linear<T>;
}

interface Batch<T> extends WordBatch<T> {
  /** One-hot [B, sum of counts]. */
  readonly labels: T;
}

/** Options of `trainTextEncoder`. */
export interface TextTrainingOptions {
  readonly config: TextEncoderConfig;
  /** How many values each attribute has. */
  readonly counts: readonly number[];
  readonly draw: (rng: Rng) => LabelledText;
  readonly steps: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed: number;
}

/** Mean cross-entropy of the attributes, and the share of them that is right. */
function attributeLoss(config: TextEncoderConfig, counts: readonly number[]) {
  return (p: Params<Tensor>, { labels, ...words }: Batch<Tensor>) => {
    const logits = linear(p.heads, encodeWords(p.encoder, config, words));
    const batch = labels.shape[0];
    let at = 0;
    const terms = counts.map((count) => {
      const part = (x: Tensor): Tensor => tf.slice(x, [0, at], [batch, count]);
      const [scores, wanted] = [part(logits), part(labels)];
      at += count;
      const shifted = tf.sub(scores, tf.max(scores, -1, true));
      const logs = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), -1, true)));
      return tf.neg(tf.mean(tf.sum(tf.mul(wanted, logs), -1)));
    });
    const loss = tf.div(tf.addN(terms), counts.length) as Tensor;
    return { loss, metrics: { crossEntropy: loss } };
  };
}

function batchOf(options: TextTrainingOptions, rng: Rng): Batch<NdArray<"float32">> {
  const { config, counts, draw, batchSize = 64 } = options;
  const drawn = Array.from({ length: batchSize }, () => draw(rng));
  const total = counts.reduce((a, b) => a + b, 0);
  const labels = zeros("float32", [batchSize, total]);
  for (const [b, { values }] of drawn.entries()) {
    let at = b * total;
    for (const [i, value] of values.entries()) {
      labels.data[at + value] = 1;
      at += counts[i];
    }
  }
  return {
    ...wordBatch(
      drawn.map(({ text }) => text),
      config,
    ),
    labels,
  };
}

/** An encoder's weights, and the mean cross-entropy of its last steps. @throws NOT_FINITE */
export async function trainTextEncoder(
  options: TextTrainingOptions,
): Promise<{ params: TextEncoderParams<NdArray>; crossEntropy: number }> {
  const { config, counts, steps, learningRate = 0.004, seed } = options;
  const rng = Rng.fromSeed([seed, 0]);
  const total = counts.reduce((a, b) => a + b, 0);
  const training = makeTraining<Params<Tensor>, Batch<Tensor>>(
    { encoder: initTextEncoder(rng, config), heads: initLinear(rng, config.size, total) },
    { name: "text encoder", loss: attributeLoss(config, counts), optimizer: { kind: "adamw", clipNorm: 1 } },
  );
  const schedule = { peak: learningRate, warmupSteps: 10, totalSteps: steps, decayFraction: 0.5 };
  let crossEntropy = Number.NaN;
  for (let i = 0; i < steps; i++) {
    const batch = batchOf(options, Rng.fromSeed([seed, 1, i]));
    ({ crossEntropy } = await training.step(batch, learningRateAt(schedule, i)));
  }
  return { params: training.params().encoder, crossEntropy };
}
