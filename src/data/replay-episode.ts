/** @file What a replay holds: the columns it is made for, and its episodes. */

import type { Columns, ColumnSpecs } from "./columns.ts";

/** The columns of a replay. */
export interface ReplaySpec<O extends ColumnSpecs, X extends ColumnSpecs> {
  /** T + 1 rows per episode: frame, latent, state, … */
  readonly observationColumns: O;
  /** T rows per episode: action, reward, …; row t leads from observation t to observation t + 1. */
  readonly transitionColumns: X;
}

/** An episode in the replay, as a priority function sees it. */
export interface ReplayEpisode<O extends ColumnSpecs = ColumnSpecs, X extends ColumnSpecs = ColumnSpecs> {
  readonly index: number;
  /** Number of transitions T. */
  readonly length: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
  readonly tag: string;
  readonly columns: Columns<O> & Columns<X>;
}
