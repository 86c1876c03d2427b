/** @file What `make` puts around every single environment: the order of calls, the time limit, and its spec. */

import { fail } from "../core/errors.ts";
import type { Space } from "../core/spaces/space.ts";
import type { Env, EnvMetadata, EnvSpec, Frame, Info, Snapshot, StepResult } from "./env.ts";

/** Options of `GuardedEnv`. */
export interface GuardOptions {
  /** Truncate after this many steps; absent: no limit. */
  readonly maxEpisodeSteps?: number;
  readonly spec?: EnvSpec;
}

/**
 * An environment whose calls are checked for order and whose episodes are truncated at a step limit.
 *
 * A step on which the task itself ends is not also marked as truncated by the limit (Gymnasium's TimeLimit marks both).
 */
export class GuardedEnv<O, A> implements Env<O, A> {
  readonly unwrapped: Env<O, A>;
  readonly spec: EnvSpec | undefined;
  readonly maxEpisodeSteps: number;
  readonly bind?: (observation: O) => void;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  #elapsed = -1;
  #closed = false;

  constructor(env: Env<O, A>, options: GuardOptions = {}) {
    this.unwrapped = env;
    this.spec = options.spec;
    this.maxEpisodeSteps = options.maxEpisodeSteps ?? Infinity;
    if (env.bind !== undefined) this.bind = (observation) => env.bind!(observation);
    if (env.snapshot === undefined || env.restore === undefined) return;
    this.snapshot = () => ({ kind: "guard", state: { elapsed: this.#elapsed, env: env.snapshot!() } });
    this.restore = (snapshot) => {
      const state = snapshot.state as { elapsed: number; env: Snapshot };
      env.restore!(state.env);
      this.#elapsed = state.elapsed;
    };
  }

  get observationSpace(): Space<O> {
    return this.unwrapped.observationSpace;
  }
  get actionSpace(): Space<A> {
    return this.unwrapped.actionSpace;
  }
  get metadata(): EnvMetadata {
    return this.unwrapped.metadata;
  }
  get renderMode(): string | undefined {
    return this.unwrapped.renderMode;
  }

  reset(options?: { seed?: number; options?: Record<string, unknown> }): { observation: O; info: Info } {
    if (this.#closed) this.#refuse("reset");
    const result = this.unwrapped.reset(options);
    this.#elapsed = 0;
    return result;
  }

  step(action: A): StepResult<O> {
    if (this.#elapsed < 0 || this.#closed) this.#refuse("step");
    const result = this.unwrapped.step(action);
    this.#elapsed += 1;
    if (this.#elapsed >= this.maxEpisodeSteps && !result.terminated) result.truncated = true;
    return result;
  }

  render(): Frame | undefined {
    if (this.#elapsed < 0 || this.#closed) this.#refuse("render");
    return this.unwrapped.render?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.unwrapped.close();
  }

  toString(): string {
    return this.spec === undefined ? `<${this.unwrapped.constructor.name}>` : `<${this.spec.id}>`;
  }

  #refuse(call: string): never {
    const closed = this.#closed;
    return fail({
      code: closed ? "ENV_CLOSED" : "RESET_NEEDED",
      what: `${call}() of ${String(this)} ${closed ? "after close()" : "before the first reset()"}`,
      fix: closed ? "make a new environment" : "call env.reset({ seed }) first",
    });
  }
}
