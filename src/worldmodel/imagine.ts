/** @file Rolling a world model forward under given actions: what every measure of it begins with. */

import { zeros, type NdArray } from "../core/ndarray.ts";
import { Rng } from "../core/rng.ts";
import type { LatentState, Prediction, WorldModel } from "./worldmodel.ts";

/** Imagine `actions` float32 [B, H, A] from `state`; what to do with each step is the caller's. */
export async function imagineActions(
  model: WorldModel,
  start: LatentState,
  actions: NdArray<"float32">,
  onStep: (step: number, prediction: Prediction) => Promise<void> | void,
): Promise<void> {
  const [batch, steps, size] = actions.shape;
  const rng = Rng.fromSeed(0);
  let state = start;
  for (let h = 0; h < steps; h++) {
    const now = zeros("float32", [batch, size]);
    for (let b = 0; b < batch; b++)
      now.data.set(actions.data.subarray((b * steps + h) * size, (b * steps + h + 1) * size), b * size);
    const prediction = await model.step(state, now, rng);
    state = prediction.state;
    await onStep(h, prediction);
  }
}

/** The actions from the present on: float32 [B, H, A] of windows with K context frames. */
export function presentActions(action: NdArray<"float32">, context: number): NdArray<"float32"> {
  const [batch, all, size] = action.shape;
  const steps = all - context + 1;
  const out = zeros("float32", [batch, steps, size]);
  for (let b = 0; b < batch; b++) {
    const from = (b * all + context - 1) * size;
    out.data.set(action.data.subarray(from, from + steps * size), b * steps * size);
  }
  return out;
}
