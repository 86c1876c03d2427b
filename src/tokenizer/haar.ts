/**
 * @file Causal three-dimensional Haar wavelet patches: groups of c frames, cut into s × s patches, to their wavelet-packet
 * coefficients and back, without loss.
 *
 * A one-level Haar step turns neighbours (a, b) into their mean and half their difference; it is repeated on every band
 * until a patch is split fully along time, rows and columns. All steps are halvings and sums: on whole-numbered pixels
 * the coefficients are exact in float32, and so is the way back.
 * @source Cosmos Tokenizer, `modules/patching.py` (Patcher3D and UnPatcher3D, method "haar")
 */

import { tf, type Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { patchify, unpatchify } from "../nn/transformer.ts";

/** Frames per group and pixels per patch and axis; powers of two. */
export interface HaarShape {
  readonly temporal: number;
  readonly spatial: number;
}

/** Signs [n, n] of the full Haar packet of n = 2^k samples; symmetric, its square is n times the identity. */
function packetSigns(size: number): number[][] {
  let signs = [[1]];
  while (signs.length < size) {
    signs = [
      ...signs.map((row) => [...row, ...row]),
      ...signs.map((row) => [...row, ...row.map((sign) => -sign)]),
    ];
  }
  return signs;
}

/** Packet over rows, columns and (untouched) colours of an s × s patch: [3s², 3s²], scaled by `scale`. */
function spatialMatrix(size: number, scale: number): Tensor {
  const signs = packetSigns(size);
  const side = 3 * size * size;
  const values = new Float32Array(side * side);
  for (let i = 0; i < side; i++) {
    const [y, x, colour] = [Math.floor(i / (3 * size)), Math.floor(i / 3) % size, i % 3];
    for (let j = colour; j < side; j += 3) {
      values[i * side + j] =
        scale * signs[y][Math.floor(j / (3 * size))] * signs[x][Math.floor(j / 3) % size];
    }
  }
  return tf.tensor2d(values, [side, side]);
}

function temporalMatrix(size: number, scale: number): Tensor {
  return tf.tensor2d(packetSigns(size).map((row) => row.map((sign) => sign * scale)));
}

/**
 * Coefficients of groups of frames: means and half differences, in the units of the pixels.
 * @param groups float32 [B, K·c, H, W, 3]
 * @returns float32 [B, K, (H/s)·(W/s), 3s²·c]; number 0 to 2 times c is the mean colour
 */
export function haarPatch(groups: Tensor, { temporal, spatial }: HaarShape): Tensor {
  const [batch, frames, height, width] = groups.shape as [number, number, number, number];
  const values = 3 * spatial * spatial;
  const tokens = (height / spatial) * (width / spatial);
  const patches = patchify(tf.reshape(groups, [batch * frames, height, width, 3]), spatial);
  const flat = tf.reshape(patches, [-1, values]) as never;
  const packed = tf.matMul(flat, spatialMatrix(spatial, 1 / spatial ** 2));
  const shape = [batch, frames / temporal, tokens, values * temporal];
  if (temporal === 1) return tf.reshape(packed, shape);
  const grouped = tf.reshape(packed, [(batch * frames) / temporal, temporal, tokens * values]);
  const columns = tf.reshape(tf.transpose(grouped, [0, 2, 1]), [-1, temporal]);
  return tf.reshape(tf.matMul(columns as never, temporalMatrix(temporal, 1 / temporal) as never), shape);
}

/**
 * Inverse of `haarPatch`.
 * @param coefficients float32 [B, K, tokens, 3s²·c] @param size pixels [H, W]
 * @returns float32 [B, K·c, H, W, 3]
 */
export function haarUnpatch(
  coefficients: Tensor,
  { temporal, spatial }: HaarShape,
  size: readonly [number, number],
): Tensor {
  const [batch, latents, tokens] = coefficients.shape as [number, number, number];
  const values = 3 * spatial * spatial;
  let packed: Tensor = tf.reshape(coefficients, [-1, values]);
  if (temporal > 1) {
    const columns = tf.reshape(coefficients, [-1, temporal]) as never;
    const times = tf.matMul(columns, temporalMatrix(temporal, 1));
    const grouped = tf.reshape(times, [batch * latents, tokens * values, temporal]);
    packed = tf.reshape(tf.transpose(grouped, [0, 2, 1]), [-1, values]);
  }
  const pixels = tf.matMul(packed, spatialMatrix(spatial, 1));
  const images = unpatchify(tf.reshape(pixels, [-1, tokens, values]), spatial, size);
  return tf.reshape(images, [batch, latents * temporal, ...size, 3]);
}

/** Clips uint8 [B, T, H, W, 3] with the first frame c − 1 times in front: [B, K·c, H, W, 3], so that it is a group alone. */
export function groupFrames(frames: NdArray<"uint8">, temporal: number): NdArray<"uint8"> {
  if (temporal === 1) return frames;
  const [batch, time, ...image] = frames.shape;
  const size = frames.data.length / batch / time;
  const length = time + temporal - 1;
  const out = zeros("uint8", [batch, length, ...image]);
  for (let b = 0; b < batch; b++) {
    const clip = frames.data.subarray(b * time * size, (b + 1) * time * size);
    out.data.set(clip, (b * length + temporal - 1) * size);
    for (let i = 0; i < temporal - 1; i++) out.data.set(clip.subarray(0, size), (b * length + i) * size);
  }
  return out;
}

/** Inverse of `groupFrames`: of the first group the last frame is kept. */
export function ungroupFrames(groups: NdArray<"uint8">, temporal: number): NdArray<"uint8"> {
  if (temporal === 1) return groups;
  const [batch, length, ...image] = groups.shape;
  const size = groups.data.length / batch / length;
  const time = length - temporal + 1;
  const out = zeros("uint8", [batch, time, ...image]);
  for (let b = 0; b < batch; b++) {
    const from = (b * length + temporal - 1) * size;
    out.data.set(groups.data.subarray(from, from + time * size), b * time * size);
  }
  return out;
}
