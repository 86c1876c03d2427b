/** @file Rotary positions in three dimensions: time, row and column turn their own share of each head's pairs. */

import { tf, type Tensor } from "../engine/jit.ts";
import { fail } from "../core/errors.ts";

/** A place in a clip: frame, row, column. */
export type Place = readonly [time: number, row: number, column: number];

/** Lowest turn per place and pair, as a share of the highest: 1 / BASE. Clips here are short, text's 10 000 would idle. */
const BASE = 100;

/** Pairs that each dimension gets: rows and columns as many as each other, time the rest. */
function shares(headSize: number): [number, number, number] {
  const pairs = headSize / 2;
  const spatial = Math.floor((pairs * 3) / 8);
  return [pairs - 2 * spatial, spatial, spatial];
}

/** Cosines and sines, each [places, headSize]; both halves of a head hold the same angles. */
export interface RotaryTable {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/**
 * The table for `places`; a constant of the traced graph.
 * @throws INVALID_ARGUMENT unless headSize is even and at least 6
 * @source Su et al. 2021, RoFormer, §3.2; Cosmos-Predict1, autoregressive `RotaryPositionEmbeddingPytorchV2` (3D)
 */
export function rotaryTable(places: readonly Place[], headSize: number): RotaryTable {
  if (headSize % 2 !== 0 || headSize < 6) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "rotary positions in three dimensions do not fit this head",
      expected: "an even head size of 6 or more",
      got: String(headSize),
      fix: "choose dim and heads so that dim / heads is 16 or 32",
    });
  }
  const angles = places.map((place) => {
    const half = shares(headSize).flatMap((count, dimension) =>
      Array.from({ length: count }, (_, i) => place[dimension] * BASE ** (-i / Math.max(1, count))),
    );
    return [...half, ...half];
  });
  return {
    cos: tf.tensor2d(angles.map((row) => row.map(Math.cos))),
    sin: tf.tensor2d(angles.map((row) => row.map(Math.sin))),
  };
}

/** Turn x [B, heads, L, headSize] by rows of a table: [L, headSize], or [B, 1, L, headSize] where rows of a batch differ. */
export function rotate(x: Tensor, { cos, sin }: RotaryTable): Tensor {
  const [batch, heads, length, size] = x.shape as [number, number, number, number];
  const first = tf.slice(x, [0, 0, 0, 0], [batch, heads, length, size / 2]);
  const second = tf.slice(x, [0, 0, 0, size / 2], [batch, heads, length, size / 2]);
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([tf.neg(second), first], -1), sin));
}
