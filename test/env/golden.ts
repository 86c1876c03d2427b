/** @file Recorded runs of Gymnasium 1.4 on NumPy 2.4: wrappers, SyncVectorEnv, CartPoleVectorEnv. */

import { readFileSync } from "node:fs";

/** One wrapped environment, reset with seed 3, stepped through known actions, reset after every end. */
export interface WrapperRun {
  /** Numbers per observation (Dict entries joined in the order of their names). */
  readonly size: number;
  readonly observations: string;
  readonly rewards: string;
  readonly terminations: readonly number[];
  readonly truncations: readonly number[];
  /** `repr` of the spaces. */
  readonly space: string;
  readonly actionSpace: string;
}

/** 60 steps of a vector environment; under Disabled, ended rows are reset by mask and that batch follows. */
export interface VectorRun {
  readonly observations: string;
  readonly rewards: string;
  readonly terminations: readonly (readonly number[])[];
  readonly truncations: readonly (readonly number[])[];
  /** [step, final_obs] where some row ended (same-step). */
  readonly finals: readonly (readonly [number, readonly (readonly number[] | null)[]])[];
  /** [step, returns, lengths, mask] of RecordEpisodeStatistics. */
  readonly episodes:
    | readonly (readonly [number, readonly number[], readonly number[], readonly number[]])[]
    | null;
}

/** The recorded file. */
export const golden = JSON.parse(readFileSync(new URL("./golden.json", import.meta.url), "utf8")) as {
  readonly wrappers: Readonly<Record<string, WrapperRun>>;
  readonly sync: Readonly<Record<string, VectorRun>>;
  readonly batched: readonly (VectorRun & { seed: number; limit: number; suttonBarto: boolean })[];
};
