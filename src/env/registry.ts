/** @file Environment ids, their specs, and building one (`make`) or many (`makeVec`) from an id. */

import { fail, ReverieError, unknownName } from "../core/errors.ts";
import { withAutoreset } from "./autoreset.ts";
import type { AutoresetMode, Env, VectorEnv } from "./env.ts";

/** Keyword arguments of an environment's maker. */
export type Kwargs = Record<string, unknown>;

/** Builds one environment. */
export type EnvMaker = (kwargs: Kwargs) => Env | Promise<Env>;

/** Builds a masked-step primitive of `numEnvs` sub-environments. */
export type VectorEnvMaker = (kwargs: Kwargs & { numEnvs: number }) => VectorEnv | Promise<VectorEnv>;

/** What the registry knows of an environment. */
export interface EnvSpec {
  /** `[namespace/]name[-vN]` */
  readonly id: string;
  /** Lazy import of the single form, e.g. `async () => (await import("./cart-pole.ts")).makeCartPole`. */
  readonly entryPoint?: () => Promise<EnvMaker>;
  /** Lazy import of a natively batched form. */
  readonly vectorEntryPoint?: () => Promise<VectorEnvMaker>;
  /** Steps after which `make` truncates an episode. */
  readonly maxEpisodeSteps?: number;
  /** Mean return over 100 episodes that counts as solved. */
  readonly rewardThreshold?: number;
  /** True when equal seeds do not give equal episodes. */
  readonly nondeterministic?: boolean;
  /** Default keyword arguments, overridden by the caller's. */
  readonly kwargs?: Kwargs;
}
