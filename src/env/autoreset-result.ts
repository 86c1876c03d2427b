/** @file The result record of an environment that resets itself: one, reused from step to step, put together from a step and a reset. */

import { zeros } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";
import { copyRows, emptyLike } from "./batch.ts";
import type { AutoresetMode, InfoColumn, ObservationBatch, ResetBatch, StepBatch } from "./env.ts";
import { isEmptyInfos, mergeInfos, noInfos } from "./infos.ts";

type Columns = Record<string, InfoColumn>;

/** See this file's head; masks are bool [N] data. */
export class AutoresetResult<O> {
  readonly #numEnvs: number;
  readonly #space: Space;
  readonly #sameStep: boolean;
  readonly #finalMask;
  readonly #goingOn: Uint8Array;
  #batch: StepBatch<O> | undefined;
  #finalObservations: O | undefined;
  /** Info columns of the last result, whose memory the next one may use. */
  #recycled: Columns | undefined;
  #recycledFinals: Columns | undefined;

  constructor(env: { numEnvs: number; singleObservationSpace: Space }, mode: AutoresetMode) {
    this.#numEnvs = env.numEnvs;
    this.#space = env.singleObservationSpace;
    this.#sameStep = mode === "same-step";
    this.#finalMask = zeros("bool", [env.numEnvs]);
    this.#goingOn = new Uint8Array(env.numEnvs);
  }

  /** The record; there is one after the first step or reset was taken in. */
  get batch(): StepBatch<O> {
    return this.#batch!;
  }

  /** Nothing has happened yet in this step. */
  clear(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    batch.rewards.data.fill(0);
    batch.terminations.data.fill(0);
    batch.truncations.data.fill(0);
    batch.valid.data.fill(0);
    batch.infos = noInfos;
    if (!this.#sameStep) return;
    this.#finalMask.data.fill(0);
    batch.finalInfos = noInfos;
  }

  /** Take in what the primitive's step gave. */
  takeStep(from: StepBatch<O>): StepBatch<O> {
    const batch = (this.#batch ??= this.#newBatch(from));
    batch.observations = from.observations;
    batch.rewards.data.set(from.rewards.data);
    batch.terminations.data.set(from.terminations.data);
    batch.truncations.data.set(from.truncations.data);
    batch.valid.data.set(from.valid.data);
    batch.infos = from.infos;
    return batch;
  }

  #newBatch(from: StepBatch<O>): StepBatch<O> {
    const { observations, infos } = from;
    const flags = () => zeros("bool", [this.#numEnvs]);
    const rewards = zeros(from.rewards.dtype, [this.#numEnvs]);
    const batch: StepBatch<O> = {
      observations,
      rewards,
      terminations: flags(),
      truncations: flags(),
      infos,
      valid: flags(),
    };
    if (!this.#sameStep) return batch;
    this.#finalObservations = emptyLike(this.#space, observations);
    return Object.assign(batch, {
      finalObservations: this.#finalObservations,
      finalMask: this.#finalMask,
      finalInfos: noInfos,
    });
  }

  /** The reset that follows may reuse the step's info columns: take over those of the stepped rows first. */
  keepInfos(stepped: Uint8Array): void {
    if (isEmptyInfos(this.batch.infos)) return;
    const kept: Columns = {};
    mergeInfos(kept, this.batch.infos, stepped, this.#recycled);
    this.#recycled = kept;
    this.batch.infos = kept;
  }

  /** Keep the last observations and infos of the rows that the reset that follows will overwrite. */
  keepFinals(ended: Uint8Array): void {
    const { batch } = this;
    this.#finalMask.data.set(ended);
    const finals = this.#finalObservations as ObservationBatch;
    copyRows(this.#space, finals, batch.observations as ObservationBatch, ended);
    if (isEmptyInfos(batch.infos)) return;
    const finalInfos: Columns = {};
    const others: Columns = {};
    for (let i = 0; i < this.#numEnvs; i++) this.#goingOn[i] = 1 - ended[i];
    mergeInfos(finalInfos, batch.infos, ended, this.#recycledFinals);
    mergeInfos(others, batch.infos, this.#goingOn, this.#recycled);
    this.#recycledFinals = finalInfos;
    this.#recycled = others;
    batch.finalInfos = finalInfos;
    batch.infos = others;
  }

  /** Take in what the primitive's reset of the rows in `reset` gave. */
  takeReset(from: ResetBatch<O>, reset: Uint8Array): void {
    const batch = (this.#batch ??= this.#newBatch(this.#emptyStep(from)));
    batch.observations = from.observations;
    if (isEmptyInfos(from.infos)) return;
    const merged: Columns = { ...batch.infos };
    mergeInfos(merged, from.infos, reset);
    batch.infos = merged;
  }

  #emptyStep(from: ResetBatch<O>): StepBatch<O> {
    const flags = zeros("bool", [this.#numEnvs]);
    const rewards = zeros("float64", [this.#numEnvs]);
    return { ...from, rewards, terminations: flags, truncations: flags, valid: flags };
  }
}
