/** @file Times of rectified flow: uniform, or logit-normal and shifted towards noise. Time 0 is noise, 1 is data. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";

/**
 * How training times are drawn.
 * "logit-normal": with u of mean `mean` and deviation `deviation`, t = sigmoid(u) is the share of noise, then
 * t' = s·t / (1 + (s − 1)·t) with `shift` s, and a share `noisiest` of all draws lies in the 2 % next to pure noise.
 */
export type FlowTimes =
  | { readonly kind: "uniform" }
  | {
      readonly kind: "logit-normal";
      readonly mean?: number;
      readonly deviation?: number;
      /** Above 1 more noise, below 1 less. Cosmos-Predict2.5 raises it from 1 to 5 with the resolution. */
      readonly shift: number;
      readonly noisiest?: number;
    };

/** Cosmos-Predict2.5's setting at small resolution. @source Esser et al. 2024, Scaling Rectified Flow Transformers, §3.1 */
export const shiftedTimes: FlowTimes = { kind: "logit-normal", shift: 1, noisiest: 0.05 };

/** Fill `out` with times in [0, 1]. @throws INVALID_ARGUMENT for a shift or deviation that is not above 0 */
export function drawFlowTimes(times: FlowTimes, rng: Rng, out: NdArray<"float32">): NdArray<"float32"> {
  rng.fillUniform(out.data);
  if (times.kind === "uniform") return out;
  const { mean = 0, deviation = 1, shift, noisiest = 0 } = times;
  if (!(shift > 0 && deviation > 0 && noisiest >= 0 && noisiest <= 1)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such distribution of flow times",
      expected: "shift and deviation above 0, noisiest in [0, 1]",
      got: `shift ${shift}, deviation ${deviation}, noisiest ${noisiest}`,
      fix: "use shift 1 for small frames and up to 5 for large ones",
    });
  }
  for (let i = 0; i < out.data.length; i++) {
    const forced = out.data[i] < noisiest;
    const noise = 1 / (1 + Math.exp(-(mean + deviation * rng.normal())));
    out.data[i] = forced ? 0.02 * rng.random() : 1 - (shift * noise) / (1 + (shift - 1) * noise);
  }
  return out;
}
