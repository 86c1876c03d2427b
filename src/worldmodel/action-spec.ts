/** @file Action specs: checked, told apart by a hash, fitted to data, and recorded units to [-1, 1]. */

import { createHash } from "node:crypto";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import type { ActionSpec } from "./worldmodel.ts";

const fields = ["names", "units", "kind", "low", "high", "rateHz"] as const;

/**
 * The spec, if it is sound; returned as it is.
 * @throws INVALID_ARGUMENT for lists of different lengths, two equal names, an empty range or a rate of 0
 */
export function checkActionSpec(spec: ActionSpec): ActionSpec {
  const { names, units, low, high, rateHz } = spec;
  const problems = [
    names.length === 0 && "no names",
    [units, low, high].some((list) => list.length !== names.length) && "lists of different lengths",
    new Set(names).size !== names.length && "two dimensions of one name",
    low.some((value, i) => !(value < high[i]) || !Number.isFinite(value) || !Number.isFinite(high[i])) &&
      "a range whose low end is not below its high end",
    !(rateHz > 0 && Number.isFinite(rateHz)) && "no rate",
  ].filter((problem) => problem !== false);
  if (problems.length === 0) return spec;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "the action spec is not sound",
    expected: "as many units, lows and highs as names, all names different, low below high, a rate above 0",
    got: problems.join("; "),
    fix: "write down every dimension of the action once, with its physical range",
  });
}

/** SHA-256 of what the spec says; equal for equal specs, whatever the order of their fields. */
export function actionSpecHash(spec: ActionSpec): string {
  const text = JSON.stringify(fields.map((field) => spec[field]));
  return createHash("sha256").update(text).digest("hex");
}

/** @throws CHECKPOINT_MISMATCH naming each field in which `stored` (of `what`) differs from `wanted` */
export function requireSameActions(stored: ActionSpec, wanted: ActionSpec, what: string): void {
  if (actionSpecHash(stored) === actionSpecHash(wanted)) return;
  const different = fields.filter((field) => JSON.stringify(stored[field]) !== JSON.stringify(wanted[field]));
  const show = (spec: ActionSpec): string =>
    different.map((field) => `${field} ${JSON.stringify(spec[field])}`).join("; ");
  fail({
    code: "CHECKPOINT_MISMATCH",
    what: `${what} was trained on actions of another meaning`,
    expected: show(wanted),
    got: show(stored),
    fix: "use the spec of the checkpoint, or train on data of this spec",
  });
}

/** Recorded physical actions [..., A] to [-1, 1]; outside of the range is outside of [-1, 1]. The way back is `agents/`'. */
export function normalizeActions(actions: NdArray<"float32">, { low, high }: ActionSpec): NdArray<"float32"> {
  const out = zeros("float32", actions.shape);
  for (let i = 0; i < out.data.length; i++) {
    const d = i % low.length;
    out.data[i] = (2 * (actions.data[i] - low[d])) / (high[d] - low[d]) - 1;
  }
  return out;
}

/**
 * Ranges that hold all but a share of recorded physical actions [..., A]: the quantiles `tail` and 1 − `tail` of each
 * dimension. A dimension that never changes gets a range of 1 around its value.
 * @source Cosmos 3, action cookbook: quantile normalization
 */
export function fitActionRange(actions: NdArray<"float32">, tail = 0.01): Pick<ActionSpec, "low" | "high"> {
  const size = actions.shape[actions.shape.length - 1];
  const columns = Array.from({ length: size }, (_, d) =>
    actions.data.filter((_value, i) => i % size === d).sort(),
  );
  const quantile = (column: Float32Array, share: number): number =>
    column[Math.round(share * (column.length - 1))];
  const ends = columns.map((column) => {
    const [low, high] = [quantile(column, tail), quantile(column, 1 - tail)];
    return low < high ? [low, high] : [low - 0.5, high + 0.5];
  });
  return { low: ends.map(([low]) => low), high: ends.map(([, high]) => high) };
}

/** Absolute values [T, A] to differences between neighbours [T − 1, A] ("backward, frame by frame"). */
export function toDeltas(values: NdArray<"float32">): NdArray<"float32"> {
  const [time, size] = values.shape;
  const out = zeros("float32", [time - 1, size]);
  for (let i = 0; i < out.data.length; i++) out.data[i] = values.data[i + size] - values.data[i];
  return out;
}

/** Inverse of `toDeltas`, from the first value [A]: [T, A]. */
export function fromDeltas(first: ArrayLike<number>, deltas: NdArray<"float32">): NdArray<"float32"> {
  const [steps, size] = deltas.shape;
  const out = zeros("float32", [steps + 1, size]);
  const sums = Float64Array.from(first);
  for (let t = 0; t <= steps; t++) {
    out.data.set(sums, t * size);
    if (t < steps) sums.forEach((_, d) => (sums[d] += deltas.data[t * size + d]));
  }
  return out;
}
