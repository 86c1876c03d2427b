/** @file How fast a world model dreams on this machine: steps per second, and the time that one step takes at worst. */

import { selectRows } from "../../core/array-record.ts";
import { zeros } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { LatentState, WorldModel } from "../worldmodel.ts";

/** Speed at one batch size. */
export interface SpeedScore {
  readonly batch: number;
  /** Imagined environment steps per second, latents or tokens alone. */
  readonly stepsPerSecond: number;
  /** The same with a decoded frame per step. */
  readonly decodedPerSecond: number;
  /** 95th percentile of one batched step with decoding, in milliseconds. */
  readonly p95Ms: number;
}

/** Milliseconds of single steps over at least `seconds`, after one that compiles. */
async function timeSteps(
  model: WorldModel,
  start: LatentState,
  batch: number,
  { decoded, seconds }: { decoded: boolean; seconds: number },
): Promise<number[]> {
  const actions = zeros("float32", [batch, model.actionSpec.names.length]);
  const rng = Rng.fromSeed(1);
  let state = start;
  const once = async (): Promise<number> => {
    const from = performance.now();
    state = (await model.step(state, actions, rng)).state;
    if (decoded) await model.decode(state);
    return performance.now() - from;
  };
  await once();
  const times: number[] = [];
  const from = performance.now();
  while (times.length < 8 || performance.now() - from < 1000 * seconds) times.push(await once());
  return times;
}

const perSecond = (times: readonly number[], batch: number): number =>
  (1000 * batch * times.length) / times.reduce((a, b) => a + b, 0);

/** Speeds from rows of `start` [B, …], B at least the largest of `batches`; what else the machine does counts too. */
export async function speedScores(
  model: WorldModel,
  start: LatentState,
  options: { batches: readonly number[]; seconds: number },
): Promise<SpeedScore[]> {
  const scores: SpeedScore[] = [];
  for (const batch of options.batches) {
    const state = selectRows(
      start,
      Int32Array.from({ length: batch }, (_, i) => i),
    );
    const plain = await timeSteps(model, state, batch, { decoded: false, seconds: options.seconds });
    const decoded = await timeSteps(model, state, batch, { decoded: true, seconds: options.seconds });
    const sorted = [...decoded].sort((a, b) => a - b);
    scores.push({
      batch,
      stepsPerSecond: perSecond(plain, batch),
      decodedPerSecond: perSecond(decoded, batch),
      p95Ms: sorted[Math.floor(0.95 * sorted.length)],
    });
  }
  return scores;
}
