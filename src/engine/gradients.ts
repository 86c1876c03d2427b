/** @file Gradients registered in place of tfjs's own where those are wrong (broadcast shapes, mirrored pads), missing, or slow. */

import { indexRules } from "./gradients-index.ts";
import type { GradientMap, Rule } from "./gradients-index.ts";
import { tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";

/** `gradient` summed over the axes along which a value of `shape` was broadcast. */
export function sumTo(gradient: Tensor, shape: readonly number[]): Tensor {
  const extra = gradient.shape.length - shape.length;
  const axes = gradient.shape
    .map((_, i) => i)
    .filter((i) => i < extra || (shape[i - extra] === 1 && gradient.shape[i] !== 1));
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), [...shape]);
}

/** Put a rule in place of tfjs's own; process-wide, since tfjs has one registry. */
export function registerRule({ kernel, inputs, outputs, gradients }: Rule): void {
  tf.registerGradient({
    kernelName: kernel,
    // An Einstein sum's inputs are a list of any length, which tfjs saves only as a whole.
    saveAllInputs: kernel === tf.Einsum,
    inputsToSave: inputs === undefined ? undefined : [...inputs],
    outputsToSave: outputs === undefined ? undefined : [...outputs],
    gradFunc: (dy, saved, attrs) => gradients(Array.isArray(dy) ? dy : [dy], saved, { ...attrs }),
  });
}

function extremum(kernel: string, wins: (a: Tensor, b: Tensor) => Tensor): Rule {
  return {
    kernel,
    inputs: ["a", "b"],
    gradients: ([dy], [a, b]) => ({
      a: () => sumTo(tf.where(wins(a, b), dy, tf.zerosLike(dy)), a.shape),
      b: () => sumTo(tf.where(wins(a, b), tf.zerosLike(dy), dy), b.shape),
    }),
  };
}

function matmulGradient(
  dy: Tensor,
  [a, b]: readonly Tensor[],
  attrs: Readonly<Record<string, unknown>>,
): GradientMap {
  const [ta, tb] = [attrs.transposeA === true, attrs.transposeB === true];
  const forA = (): Tensor => (ta ? tf.matMul(b, dy, tb, true) : tf.matMul(dy, b, false, !tb));
  const forB = (): Tensor => (tb ? tf.matMul(dy, a, true, ta) : tf.matMul(a, dy, !ta, false));
  // One matrix for a whole batch: fold the batch into the rows, rather than sum one product per element of the batch.
  const shared = (): Tensor => {
    const [rows, outer] = [a, dy].map((x) => tf.reshape(x, [-1, x.shape[x.shape.length - 1]]));
    return tb ? tf.matMul(outer, rows, true) : tf.matMul(rows, outer, true);
  };
  const isShared = b.rank === 2 && a.rank > 2 && !ta;
  return { a: () => sumTo(forA(), a.shape), b: () => (isShared ? shared() : sumTo(forB(), b.shape)) };
}

/** Tiling lays copies side by side: split each axis into (copy, element) and sum over the copies. */
function tileGradient(dy: Tensor, x: Tensor, reps: readonly number[]): Tensor {
  const split = x.shape.flatMap((size, i) => [reps[i], size]);
  return tf.sum(
    tf.reshape(dy, split),
    x.shape.map((_, i) => 2 * i),
  );
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/**
 * The gradient of a gather adds rows where they came from. Batches and outer axes are folded into one row index, so that
 * it is a single segment sum.
 */
function gatherGradient(
  dy: Tensor,
  [x, indices]: readonly Tensor[],
  attrs: Readonly<Record<string, unknown>>,
): Tensor {
  const axis = tf.util.parseAxisParam((attrs.axis as number | undefined) ?? 0, x.shape)[0];
  const batchDims = (attrs.batchDims as number | undefined) ?? 0;
  const batch = product(x.shape.slice(0, batchDims));
  const outer = product(x.shape.slice(batchDims, axis));
  const inner = product(x.shape.slice(axis + 1));
  const rows = x.shape[axis];
  const picked = product(indices.shape.slice(batchDims));
  const at = tf.reshape(tf.cast(indices, "int32"), [batch, 1, picked]);
  const base = tf.reshape(tf.range(0, batch * outer * rows, rows, "int32"), [batch, outer, 1]);
  const ids = tf.reshape(tf.add(at, base), [batch * outer * picked]) as tf.Tensor1D;
  const sums = tf.unsortedSegmentSum(
    tf.reshape(dy, [batch * outer * picked, inner]),
    ids,
    batch * outer * rows,
  );
  return tf.reshape(sums, x.shape);
}

/** What a mirrored pad copied outwards along one axis flows back, reversed, to where it was copied from. */
function unmirror(dy: Tensor, axis: number, [before, after]: readonly [number, number], edge: 0 | 1): Tensor {
  const size = dy.shape[axis] - before - after;
  const cut = (start: number, count: number): Tensor => {
    const begin = dy.shape.map((_, i) => (i === axis ? start : 0));
    return tf.slice(
      dy,
      begin,
      dy.shape.map((s, i) => (i === axis ? count : s)),
    );
  };
  const place = (part: Tensor, start: number): Tensor => {
    const count = part.shape[axis];
    const pads = dy.shape.map((_, i): [number, number] =>
      i === axis ? [start, size - start - count] : [0, 0],
    );
    return tf.pad(tf.reverse(part, axis), pads);
  };
  let sum = cut(before, size);
  if (before > 0) sum = tf.add(sum, place(cut(0, before), edge));
  if (after > 0) sum = tf.add(sum, place(cut(before + size, after), size - edge - after));
  return sum;
}

function mirrorGradient(dy: Tensor, attrs: Readonly<Record<string, unknown>>): Tensor {
  const edge = attrs.mode === "reflect" ? 1 : 0;
  const paddings = attrs.paddings as readonly (readonly [number, number])[];
  return paddings.reduceRight((sum, pads, axis) => unmirror(sum, axis, pads, edge), dy);
}

/** d/dx of a product: the product of all others, from both sides, so that zeros divide nothing. */
function prodGradient(dy: Tensor, x: Tensor, axis: unknown): Tensor {
  const axes = tf.util.parseAxisParam((axis ?? x.shape.map((_, i) => i)) as number[], x.shape);
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const perm = [...kept, ...axes];
  const moved = tf.transpose(x, perm);
  const flat = tf.reshape(moved, [
    product(kept.map((i) => x.shape[i])),
    product(axes.map((i) => x.shape[i])),
  ]);
  const others = tf.mul(tf.cumprod(flat, 1, true, false), tf.cumprod(flat, 1, true, true));
  const gradient = tf.mul(tf.reshape(dy, [-1, 1]), others);
  return tf.transpose(
    tf.reshape(gradient, moved.shape),
    perm.map((_, i) => perm.indexOf(i)),
  );
}

const rules: readonly Rule[] = [
  extremum(tf.Maximum, tf.greaterEqual),
  extremum(tf.Minimum, tf.lessEqual),
  {
    kernel: tf.BatchMatMul,
    inputs: ["a", "b"],
    gradients: ([dy], saved, attrs) => matmulGradient(dy, saved, attrs),
  },
  {
    kernel: tf.SquaredDifference,
    inputs: ["a", "b"],
    gradients: ([dy], [a, b]) => {
      const difference = (): Tensor => tf.mul(dy, tf.mul(2, tf.sub(a, b)));
      return { a: () => sumTo(difference(), a.shape), b: () => sumTo(tf.neg(difference()), b.shape) };
    },
  },
  {
    // One select instead of compare, cast and multiply.
    kernel: tf.Relu,
    outputs: [true],
    gradients: ([dy], [y]) => ({ x: () => tf.where(tf.greater(y, 0), dy, tf.zerosLike(dy)) }),
  },
  {
    // tfjs's own calls a kernel that has no gradient itself.
    kernel: tf.Elu,
    outputs: [true],
    gradients: ([dy], [y]) => ({ x: () => tf.where(tf.greater(y, 0), dy, tf.mul(dy, tf.add(y, 1))) }),
  },
  {
    kernel: tf.Select,
    inputs: ["condition"],
    gradients: ([dy], [condition]) => ({
      condition: () => tf.zeros(condition.shape),
      t: () => tf.where(condition, dy, tf.zerosLike(dy)),
      e: () => tf.where(condition, tf.zerosLike(dy), dy),
    }),
  },
  {
    kernel: tf.Tile,
    inputs: ["x"],
    gradients: ([dy], [x], attrs) => ({ x: () => tileGradient(dy, x, attrs.reps as number[]) }),
  },
  {
    kernel: tf.GatherV2,
    inputs: ["x", "indices"],
    gradients: ([dy], saved, attrs) => ({
      x: () => gatherGradient(dy, saved, attrs),
      indices: () => tf.zeros(saved[1].shape),
    }),
  },
  {
    kernel: tf.Cumsum,
    gradients: ([dy], _, { axis, exclusive, reverse }) => ({
      x: () => tf.cumsum(dy, axis as number, exclusive as boolean, reverse !== true),
    }),
  },
  { kernel: tf.MirrorPad, gradients: ([dy], _, attrs) => ({ x: () => mirrorGradient(dy, attrs) }) },
  {
    kernel: tf.Prod,
    inputs: ["x"],
    gradients: ([dy], [x], attrs) => ({ x: () => prodGradient(dy, x, attrs.axis) }),
  },
];

/** Kernels without a slope. tfjs knows only some of them, and refuses any gradient that passes by the others. */
const flat: readonly (readonly [kernel: string, ...inputs: string[]])[] = [
  ...[tf.Equal, tf.NotEqual, tf.Less, tf.LessEqual, tf.Greater, tf.GreaterEqual].map(
    (k) => [k, "a", "b"] as const,
  ),
  ...[tf.LogicalAnd, tf.LogicalOr].map((k) => [k, "a", "b"] as const),
  ...[tf.LogicalNot, tf.All, tf.Any].map((k) => [k, "x"] as const),
];

for (const rule of [...rules, ...indexRules]) registerRule(rule);
for (const [kernel, ...inputs] of flat) {
  const zeros = (saved: readonly Tensor[]): GradientMap =>
    Object.fromEntries(inputs.map((name, i) => [name, () => tf.zeros(saved[i].shape)]));
  registerRule({ kernel, inputs, gradients: (_, saved) => zeros(saved) });
}
