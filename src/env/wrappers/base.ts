/** @file Base classes for wrappers of single environments that users write themselves, as Gymnasium's. */

import type { Space } from "../../core/spaces/space.ts";
import type { Env, EnvMetadata, EnvSpec, Frame, Info, Snapshot, StepResult } from "../env.ts";
import { wrapperName } from "../names.ts";

/** Options of a reset. */
export type ResetOptions = { seed?: number; options?: Record<string, unknown> };

/**
 * A single environment around another; override what is to change. `O`, `A`: what the wrapper's user sees; `IO`, `IA`:
 * what the inner environment has. Snapshots are the inner environment's: a wrapper with a state of its own overrides
 * `snapshot` and `restore`. @source Gymnasium 1.4 `Wrapper`
 */
export class Wrapper<O = unknown, A = unknown, IO = O, IA = A> implements Env<O, A> {
  readonly env: Env<IO, IA>;
  readonly observationSpace: Space<O>;
  readonly actionSpace: Space<A>;

  constructor(env: Env<IO, IA>) {
    this.env = env;
    this.observationSpace = env.observationSpace as unknown as Space<O>;
    this.actionSpace = env.actionSpace as unknown as Space<A>;
  }

  get metadata(): EnvMetadata {
    return this.env.metadata;
  }
  get renderMode(): string | undefined {
    return this.env.renderMode;
  }
  get spec(): EnvSpec | undefined {
    return this.env.spec;
  }
  /** The innermost environment. */
  get unwrapped(): object {
    return this.env instanceof Wrapper ? this.env.unwrapped : this.env;
  }

  reset(options?: ResetOptions): { observation: O; info: Info } {
    return this.env.reset(options) as unknown as { observation: O; info: Info };
  }
  step(action: A): StepResult<O> {
    return this.env.step(action as unknown as IA) as unknown as StepResult<O>;
  }
  render(): Frame | undefined {
    return this.env.render?.();
  }
  snapshot(): Snapshot {
    return this.env.snapshot!();
  }
  restore(snapshot: Snapshot): void {
    this.env.restore!(snapshot);
  }
  close(): void {
    this.env.close();
  }
  toString(): string {
    return wrapperName(this, this.env);
  }
}

/** Override `observation` (and `observationSpace` where it changes). @source Gymnasium 1.4 `ObservationWrapper` */
export abstract class ObservationWrapper<O = unknown, A = unknown, IO = O> extends Wrapper<O, A, IO, A> {
  abstract observation(observation: IO): O;

  override reset(options?: ResetOptions): { observation: O; info: Info } {
    const { observation, info } = this.env.reset(options);
    return { observation: this.observation(observation), info };
  }
  override step(action: A): StepResult<O> {
    const result = this.env.step(action);
    return { ...result, observation: this.observation(result.observation) };
  }
}

/** Override `action` (and `actionSpace` where it changes). @source Gymnasium 1.4 `ActionWrapper` */
export abstract class ActionWrapper<O = unknown, A = unknown, IA = A> extends Wrapper<O, A, O, IA> {
  abstract action(action: A): IA;

  override step(action: A): StepResult<O> {
    return this.env.step(this.action(action));
  }
}

/** Override `reward`. @source Gymnasium 1.4 `RewardWrapper` */
export abstract class RewardWrapper<O = unknown, A = unknown> extends Wrapper<O, A> {
  abstract reward(reward: number): number;

  override step(action: A): StepResult<O> {
    const result = this.env.step(action);
    return { ...result, reward: this.reward(result.reward) };
  }
}
