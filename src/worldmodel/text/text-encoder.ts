/**
 * @file Texts as vectors: the contract of an encoder, and a small one of words that learns which sentences say the same.
 *
 * Words enter by a learned table, go through transformer blocks and are averaged; the vector has unit root mean square, so
 * that no text is zero, which stands for none.
 */

import { createHash } from "node:crypto";
import { jit, tf, type Tensor } from "../../engine/jit.ts";
import { fail } from "../../core/errors.ts";
import { rows, zeros, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import {
  initLinear,
  initNorm,
  linear,
  normalInit,
  rmsNorm,
  type Linear,
  type Norm,
} from "../../nn/layers.ts";
import { initBlocks, transformer, type Blocks } from "../../nn/transformer.ts";

type Floats = NdArray<"float32">;

/** Turns texts into vectors; frozen. */
export interface TextEncoder {
  readonly kind: string;
  /** Numbers per text. */
  readonly size: number;
  /** Identifies the encoder; a model trained behind another one refuses it. */
  readonly hash: string;
  /** float32 [B, size]. @throws INVALID_ARGUMENT for a text without a word */
  embed(texts: readonly string[]): Promise<Floats>;
}

/** Architecture of the small encoder; part of its file. */
export interface TextEncoderConfig {
  /** Known words, lower case; place 0 of the table is for all others. */
  readonly words: readonly string[];
  /** Longest text in words; what is beyond is cut. */
  readonly length: number;
  readonly dim: number;
  readonly heads: number;
  readonly blocks: number;
  readonly size: number;
}

/** Weights. */
export interface TextEncoderParams<T> {
  readonly table: Linear<T>;
  readonly positions: T;
  readonly blocks: Blocks<T>;
  readonly norm: Norm<T>;
  readonly output: Linear<T>;
}

/** Fresh weights. */
export function initTextEncoder(rng: Rng, config: TextEncoderConfig): TextEncoderParams<NdArray> {
  const { words, length, dim, blocks, size } = config;
  return {
    table: initLinear(rng, words.length + 1, dim, Math.sqrt(words.length + 1)),
    positions: normalInit(rng, [length, dim], 0.1),
    blocks: initBlocks(rng, dim, blocks),
    norm: initNorm(dim),
    output: initLinear(rng, dim, size),
  };
}

/** Words of a text: lower case, without punctuation. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Texts as the network takes them: one-hot words [B, L, V + 1] and which places hold one [B, L]. */
export interface WordBatch<T> {
  readonly words: T;
  readonly mask: T;
}

/** @throws INVALID_ARGUMENT for a text without a word */
export function wordBatch(texts: readonly string[], config: TextEncoderConfig): WordBatch<Floats> {
  const { length } = config;
  const places = new Map(config.words.map((word, i) => [word, i + 1]));
  const width = config.words.length + 1;
  const words = zeros("float32", [texts.length, length, width]);
  const mask = zeros("float32", [texts.length, length]);
  for (const [b, text] of texts.entries()) {
    const own = wordsOf(text).slice(0, length);
    if (own.length === 0)
      fail({
        code: "INVALID_ARGUMENT",
        what: "a text without a word",
        expected: "words",
        got: JSON.stringify(text),
      });
    for (const [i, word] of own.entries()) {
      words.data[(b * length + i) * width + (places.get(word) ?? 0)] = 1;
      mask.data[b * length + i] = 1;
    }
  }
  return { words, mask };
}

/** Vectors [B, size] of unit root mean square. */
export function encodeWords(
  p: TextEncoderParams<Tensor>,
  config: TextEncoderConfig,
  { words, mask }: WordBatch<Tensor>,
): Tensor {
  const { output } = transformer(p.blocks, tf.add(linear(p.table, words), p.positions), {
    heads: config.heads,
  });
  const weights = tf.reshape(tf.div(mask, tf.sum(mask, 1, true)), [words.shape[0], config.length, 1]);
  const pooled = tf.sum(tf.mul(rmsNorm(p.norm, output), weights), 1);
  const vector = linear(p.output, pooled);
  return tf.mul(vector, tf.rsqrt(tf.add(tf.mean(tf.square(vector), -1, true), 1e-6)));
}

/** Texts per pass: one compiled size. */
const chunk = 32;

/** The encoder of these weights. */
export function makeTextEncoder(parts: {
  config: TextEncoderConfig;
  params: TextEncoderParams<NdArray>;
  hash: string;
}): TextEncoder {
  const { config, params, hash } = parts;
  const compiled = jit(
    ({ p, batch }: { p: TextEncoderParams<Tensor>; batch: WordBatch<Tensor> }) => ({
      vectors: encodeWords(p, config, batch),
    }),
    { name: "text.encode" },
  );
  return {
    kind: "words",
    size: config.size,
    hash,
    async embed(texts) {
      const out = zeros("float32", [texts.length, config.size]);
      for (let at = 0; at < texts.length; at += chunk) {
        const own = texts.slice(at, at + chunk);
        const padded = [...own, ...new Array<string>(chunk - own.length).fill(own[0])];
        const { vectors } = await compiled({ p: params, batch: wordBatch(padded, config) });
        out.data.set(rows(vectors as unknown as Floats, 0, own.length).data, at * config.size);
      }
      return out;
    },
  };
}

const KIND = "text-encoder";

/** Write an encoder; returns the file's hash. */
export function saveTextEncoder(
  path: string,
  parts: { config: TextEncoderConfig; params: TextEncoderParams<NdArray> },
): string {
  return saveCheckpoint(path, parts.params, { kind: KIND, config: parts.config });
}

/** Read an encoder. @throws CORRUPT_FILE, CHECKPOINT_MISMATCH, IO_FAILED */
export function loadTextEncoder(path: string): TextEncoder {
  const { tensors, meta, hash } = loadCheckpoint(path);
  if (meta.kind !== KIND)
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} is no text encoder`,
      expected: KIND,
      got: String(meta.kind),
    });
  const config = meta.config as TextEncoderConfig;
  const params = restoreParams(initTextEncoder(Rng.fromSeed(0), config), tensors, path);
  return makeTextEncoder({ config, params, hash });
}

/** Hash of an encoder that has no file. */
export function textEncoderHash(...facts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}
