/** @file The contract of an experiment: a config schema and the stages that its run goes through. */

import type { z } from "zod";
import type { RunFields } from "./config/config-schema.ts";
import type { Hub } from "./machines/hub.ts";
import type { PlayWorld } from "./play/play.ts";
import type { PolicyReturns, ReturnsOptions } from "./policy-returns.ts";
import type { ScoreSet } from "./scores.ts";
import type { Stage, StageContext } from "./stages.ts";
import type { WatchWorld } from "./play/watch.ts";

/** Settings of `reverie evaluate`. */
export interface EvaluateOptions {
  /** Episodes per row of the table; the config's own number unless given. */
  readonly episodes?: number;
}

/** What an actor is given: an endless job on any machine, in the service of a run on another one. */
export interface ActTask {
  readonly actor: number;
  /** 1, or more where earlier holders of this actor's job were lost: seeds and ids must differ. */
  readonly attempt: number;
  readonly hub: Hub;
  /** Name in the hub under which run and actors meet. */
  readonly place: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** An entry of the registry, under the name that a config's `experiment:` field gives. */
export interface Experiment<C extends RunFields = RunFields> {
  /** One sentence for lists and help. */
  readonly title: string;
  /** Made with `runFields`; no transforms, so that the resolved config is a config too. */
  readonly schema: z.ZodType<C>;
  stages(config: C): readonly Stage<C>[];
  /** Act for a run of this config until the run has finished or `signal` is aborted; a run that has no actors has none. */
  act?(config: C, task: ActTask): Promise<void>;
  /** Judge a run from its folder again and write its tables. */
  evaluate?(config: C, context: StageContext, options: EvaluateOptions): Promise<void>;
  /** Scores of the seeds that a run's folder has judged, finished or not; what `reverie compare` works on. */
  scores?(config: C, runPath: string): ScoreSet[];
  /** One world, or two to be driven side by side (the real one first), for `reverie play`. */
  play?(config: C, runPath: string): Promise<PlayWorld[]>;
  /** The run's policy at work in the simulator and in dreams, for the dashboard. */
  watch?(config: C, runPath: string): Promise<WatchWorld>;
  /** What policies of graded skill earn in the run's world model and in reality, for `reverie evaluate worldmodel`. */
  policyReturns?(config: C, runPath: string, options: ReturnsOptions): Promise<PolicyReturns[]>;
}

/** All experiments by name. An entry's own config type is known to it alone: its schema is checked before its stages run. */
export type Experiments = Readonly<Record<string, Experiment>>;
