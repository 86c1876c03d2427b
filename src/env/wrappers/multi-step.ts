/** @file The base of wrappers that take several inner steps per step: repeated actions, skipped frames, action chunks. */

import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import type { InfoBatch, InfoColumn, StepBatch } from "../env.ts";
import { isEmptyInfos, mergeInfos } from "../infos.ts";
import type { AnyVectorEnv, Mask, StepPlan } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Base of wrappers whose step is up to `steps` inner steps; a row whose episode ends takes no further ones. */
export abstract class MultiStep extends VectorWrapper {
  readonly steps: number;
  /** Inner steps that each row took in the present step. */
  protected readonly taken: NdArray<"int32">;
  readonly #active: Mask;
  readonly #rewards: NdArray<"float64">;
  readonly #terminations: Mask;
  readonly #truncations: Mask;
  readonly #valid: Mask;

  constructor(env: AnyVectorEnv, steps: number, spaces: { action?: AnyVectorEnv["singleActionSpace"] } = {}) {
    super(env, spaces);
    const flags = () => zeros("bool", [env.numEnvs]);
    this.steps = steps;
    this.taken = zeros("int32", [env.numEnvs]);
    this.#active = flags();
    this.#rewards = zeros("float64", [env.numEnvs]);
    this.#terminations = flags();
    this.#truncations = flags();
    this.#valid = flags();
  }

  /** Actions of inner step `j`. */
  protected abstract actionsAt(actions: unknown, j: number): unknown;

  /** Look at the result of inner step `j`; `active` are the rows that took it. */
  protected look(_batch: StepBatch, _active: Uint8Array, _j: number): void {}

  /** Last changes of the step's result. */
  protected finish(batch: StepBatch): StepBatch {
    return batch;
  }

  protected override *plan(actions: unknown, mask: Mask | undefined): StepPlan {
    const active = this.#active.data;
    this.#begin(mask);
    let infos: Record<string, InfoColumn> | undefined;
    let left = active.reduce((sum, flag) => sum + flag, 0);
    for (let j = 0; ; j++) {
      const whole = left === this.numEnvs;
      const batch = yield { actions: this.actionsAt(actions, j), mask: whole ? undefined : this.#active };
      this.look(batch, active, j);
      const rows = active.slice();
      left -= this.#absorb(batch);
      const last = left === 0 || j === this.steps - 1;
      if (!isEmptyInfos(batch.infos)) {
        const speak = last ? rows : rows.map((row, i) => row & (1 - active[i]));
        mergeInfos((infos ??= {}), batch.infos, speak);
      }
      if (last) return this.finish(this.#result(batch, infos ?? {}));
    }
  }

  #begin(mask: Mask | undefined): void {
    if (mask === undefined) this.#active.data.fill(1);
    else this.#active.data.set(mask.data);
    this.#valid.data.set(this.#active.data);
    this.#rewards.data.fill(0);
    this.taken.data.fill(0);
    this.#terminations.data.fill(0);
    this.#truncations.data.fill(0);
  }

  /** Take in an inner step's rewards and ends; gives back how many rows ended. */
  #absorb(batch: StepBatch): number {
    const active = this.#active.data;
    let ends = 0;
    for (let i = 0; i < this.numEnvs; i++) {
      if (active[i] === 0) continue;
      this.#rewards.data[i] += batch.rewards.data[i];
      this.taken.data[i] += 1;
      this.#terminations.data[i] = batch.terminations.data[i];
      this.#truncations.data[i] = batch.truncations.data[i];
      if ((batch.terminations.data[i] | batch.truncations.data[i]) === 0) continue;
      active[i] = 0;
      ends += 1;
    }
    return ends;
  }

  #result(last: StepBatch, infos: InfoBatch): StepBatch {
    const out = this.relay(last);
    out.rewards = this.#rewards;
    out.terminations = this.#terminations;
    out.truncations = this.#truncations;
    out.valid = this.#valid;
    out.infos = infos;
    return out;
  }
}
