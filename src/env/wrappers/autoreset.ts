/** @file Autoreset: a single environment that resets itself in the step after an episode's end. */

import { withAutoreset } from "../autoreset.ts";
import type { VectorEnv, Env } from "../env.ts";
import { SingleEnv, singleOf } from "../single.ts";
import { SyncVectorEnv } from "../vector/sync.ts";

/**
 * NEXT_STEP autoreset for one environment: the step after an end ignores its action and gives the new episode's first
 * observation, reward 0 and both flags false. @source Gymnasium 1.4 `Autoreset`
 */
export function Autoreset<O, A>(env: Env<O, A>): Env<O, A> {
  const given: Env = env;
  const vector = given instanceof SingleEnv ? given.vector : (new SyncVectorEnv([given]) as VectorEnv);
  return singleOf(withAutoreset(vector, "next-step"), given.renderMode) as unknown as Env<O, A>;
}
