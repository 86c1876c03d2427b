/** @file Pictures of arms that have done their task: goals to plan to. */

import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { PixelBatch } from "../../env/latent.ts";
import type { SyncVectorEnv } from "../../env/vector/sync.ts";
import { infoAt } from "../../env/infos.ts";
import type { Driver } from "../loop/task.ts";
import { Rng } from "../../core/rng.ts";

/** From here on the expert has arrived, m; well inside of what counts as success. */
const arrivedM = 0.01;

/**
 * Where the expert leaves its task in each row of `arms`, whose episodes begin from `seed` + row: frames uint8
 * [N, 64, 64, 3] and states float32 [N, S]. The arms must not end their episodes by success, so that the expert comes to
 * rest at the goal and not at its edge. A row in which it does not arrive shows where the time limit found it.
 */
export async function expertsLastFrames(
  arms: SyncVectorEnv,
  driver: Driver,
  seed: number,
): Promise<PixelBatch> {
  const rng = Rng.fromSeed(seed);
  const away: NdArray<"bool"> = zeros("bool", [arms.numEnvs]);
  away.data.fill(1);
  let { observations } = await arms.reset({ seed });
  driver.begin(away);
  while (away.data.includes(1)) {
    const batch = await arms.step(driver.act(rng), away);
    for (let row = 0; row < arms.numEnvs; row++) {
      if (away.data[row] === 0) continue;
      const { distanceM } = infoAt(batch.infos, row) as { distanceM: number };
      if (distanceM < arrivedM || batch.truncations.data[row] === 1) away.data[row] = 0;
    }
    observations = batch.observations;
  }
  return observations as PixelBatch;
}
