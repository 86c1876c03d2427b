/** @file Windows of the newest rows that a model holds of each environment: fitted, shifted by one, read at their end. */

import { zeros, type NdArray } from "../core/ndarray.ts";

/** Copy rows of width `width` of x [B, K, width] one place back and put `next` [B, width] last; a new array. */
export function shiftRows(x: NdArray<"float32">, next: NdArray<"float32">): NdArray<"float32"> {
  const [batch, frames, width] = x.shape;
  const out = zeros("float32", x.shape);
  for (let b = 0; b < batch; b++) {
    const start = b * frames * width;
    out.data.set(x.data.subarray(start + width, start + frames * width), start);
    out.data.set(next.data.subarray(b * width, (b + 1) * width), start + (frames - 1) * width);
  }
  return out;
}

/** Windows of T rows to windows of K: the newest K, or the first repeated in front. */
export function fitWindow(x: NdArray<"float32">, frames: number, pad: "repeat" | "zero"): NdArray<"float32"> {
  const [batch, have, width] = x.shape;
  const out = zeros("float32", [batch, frames, width]);
  for (let b = 0; b < batch; b++) {
    for (let k = 0; k < frames; k++) {
      const from = have - frames + k;
      if (from < 0 && (pad === "zero" || have === 0)) continue;
      const row = (b * have + Math.max(0, from)) * width;
      out.data.set(x.data.subarray(row, row + width), (b * frames + k) * width);
    }
  }
  return out;
}

/** The newest rows of windows: x [B, K, D] to [B, D], copied. */
export function newest(x: NdArray<"float32">): NdArray<"float32"> {
  const [batch, frames, width] = x.shape;
  const out = zeros("float32", [batch, width]);
  for (let b = 0; b < batch; b++) {
    out.data.set(x.data.subarray(((b + 1) * frames - 1) * width, (b + 1) * frames * width), b * width);
  }
  return out;
}

/** Rows [from, from + count) of the time axis of x [B, T, D]: [B, count, D]. */
export function timeRows(x: NdArray<"float32">, from: number, count: number): NdArray<"float32"> {
  const [batch, time] = x.shape;
  const width = x.data.length / batch / time;
  const out = zeros("float32", [batch, count, ...x.shape.slice(2)]);
  for (let b = 0; b < batch; b++) {
    const at = (b * time + from) * width;
    out.data.set(x.data.subarray(at, at + count * width), b * count * width);
  }
  return out;
}

/** Row `index` of the time axis of x [B, T, D]: [B, D], copied. */
export function takeTimeRow(x: NdArray<"float32">, index: number): NdArray<"float32"> {
  const [batch, time, width] = x.shape;
  const out = zeros("float32", [batch, width]);
  for (let b = 0; b < batch; b++)
    out.data.set(x.data.subarray((b * time + index) * width, (b * time + index + 1) * width), b * width);
  return out;
}
