/** @file What runs are compared by: scores of one method under one seed, as an experiment reads them from a run's folder. */

import type { Column } from "./report/table.ts";

/** One method's scores under one seed on one task. */
export interface ScoreSet {
  /** What is scored, as in `DriveTrack-v0, unseen worlds`; only scores of one task are comparable. */
  readonly task: string;
  /** Key of the method, the same in every run. */
  readonly method: string;
  /** The method's name for people. */
  readonly label: string;
  /** Seed that everything behind the scores was made with: the unit that repetitions are counted in. */
  readonly seed: number;
  /** One number per judged episode, higher is better; their mean is the run's score. */
  readonly scores: readonly number[];
  /** `emphasis` marks the method that the experiment is about; scores are normalized between `floor` and `ceiling`. */
  readonly role?: "emphasis" | "floor" | "ceiling";
  /** Other numbers of this method and seed; shown as means over seeds. */
  readonly facts?: readonly { readonly column: Column; readonly value: number }[];
}
