/** @file Gymnasium's three autoreset modes, derived once from the masked-step primitive for every kind of vector env. */

import { asError, fail, unknownName } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { zeros } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";
import { cloneBatch, copyRows, emptyLike } from "./batch.ts";
import type {
  AutoresetMode,
  EnvMetadata,
  EnvSpec,
  Frame,
  InfoColumn,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "./env.ts";
import { cloneInfos, isEmptyInfos, mergeInfos, noInfos } from "./infos.ts";
import type { Mask } from "./masks.ts";
import { checkMask } from "./masks.ts";
import { cloneStep } from "./step-batch.ts";

/** The names of the modes. */
export const autoresetModes: readonly AutoresetMode[] = ["next-step", "same-step", "disabled"];

/** Options of `withAutoreset`. */
export interface AutoresetOptions {
  /** Return arrays that the caller may keep (Gymnasium's `copy`); default false: they are overwritten by the next call. */
  readonly copy?: boolean;
  /** Seed of the first reset that gives none itself. */
  readonly firstSeed?: number;
  readonly spec?: EnvSpec;
  /** Makes another such environment; lets `fork` work. */
  readonly remake?: () => Promise<VectorEnv>;
}

type Columns = Record<string, InfoColumn>;

const running = 0;
const ended = 1;
const unstarted = 2;

/** What the derived env remembers between calls; plain data. */
interface AutoresetState {
  readonly mode: AutoresetMode;
  /** Per row: running, ended (waits for its reset) or unstarted (never reset). */
  readonly phase: Uint8Array;
  readonly primitive: Snapshot;
}

/** A vector env that resets finished sub-environments by one of Gymnasium's modes; made by `withAutoreset`. */
export class AutoresetVectorEnv<O = ObservationBatch, A = NdArray> implements VectorEnv<O, A> {
  readonly primitive: VectorEnv<O, A>;
  readonly mode: AutoresetMode;
  readonly copies: boolean;
  readonly spec: EnvSpec | undefined;
  readonly numEnvs: number;
  readonly metadata: EnvMetadata;
  readonly resetSync?: (options?: VectorResetOptions) => ResetBatch<O>;
  readonly stepSync?: (actions: A, mask?: Mask) => StepBatch<O>;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  readonly #phase: Uint8Array;
  readonly #stepMask: Mask;
  readonly #resetMask: Mask;
  readonly #resetOptions: { mask: Mask };
  /** Makes another such environment, where that is known. */
  readonly remake: (() => Promise<VectorEnv>) | undefined;
  #firstSeed: number | undefined;
  #wantsReset = false;
  #wantsStep = false;
  #masked = false;
  #batch: StepBatch<O> | undefined;
  #finalObservations: O | undefined;
  readonly #finalMask: Mask;
  /** Info columns of the last result, whose memory the next one may use. */
  #recycled: Columns | undefined;
  #recycledFinals: Columns | undefined;
  readonly #goingOn: Uint8Array;
  #settled: { batch: StepBatch<O>; promise: Promise<StepBatch<O>> } | undefined;

  constructor(primitive: VectorEnv<O, A>, mode: AutoresetMode, options: AutoresetOptions) {
    this.primitive = primitive;
    this.mode = mode;
    this.copies = options.copy ?? false;
    this.spec = options.spec ?? primitive.spec;
    this.remake = options.remake;
    this.#firstSeed = options.firstSeed;
    this.numEnvs = primitive.numEnvs;
    this.metadata = { ...primitive.metadata, autoreset: mode };
    this.#phase = new Uint8Array(this.numEnvs).fill(unstarted);
    this.#stepMask = zeros("bool", [this.numEnvs]);
    this.#resetMask = zeros("bool", [this.numEnvs]);
    this.#finalMask = zeros("bool", [this.numEnvs]);
    this.#goingOn = new Uint8Array(this.numEnvs);
    this.#resetOptions = { mask: this.#resetMask };
    if (primitive.stepSync !== undefined && primitive.resetSync !== undefined) {
      this.resetSync = (reset) =>
        this.#absorbReset(this.primitive.resetSync!(this.#beforeReset(reset)), reset?.mask);
      this.stepSync = (actions, mask) => this.#stepNow(actions, mask);
    }
    if (primitive.snapshot !== undefined && primitive.restore !== undefined) {
      this.snapshot = () => this.#snapshot();
      this.restore = (snapshot) => this.#restore(snapshot);
    }
  }

  /** Seed of the first reset, while it is still to come. */
  get firstSeed(): number | undefined {
    return this.#firstSeed;
  }
  get singleObservationSpace(): Space {
    return this.primitive.singleObservationSpace;
  }
  get singleActionSpace(): Space {
    return this.primitive.singleActionSpace;
  }
  get observationSpace(): Space<O> {
    return this.primitive.observationSpace as Space<O>;
  }
  get actionSpace(): Space<A> {
    return this.primitive.actionSpace as Space<A>;
  }
  get render(): ((mask?: Mask) => Promise<readonly (Frame | undefined)[]>) | undefined {
    return this.primitive.render?.bind(this.primitive);
  }
  get renderSync(): ((mask?: Mask) => readonly (Frame | undefined)[]) | undefined {
    return this.primitive.renderSync?.bind(this.primitive);
  }

  async reset(options?: VectorResetOptions): Promise<ResetBatch<O>> {
    if (this.resetSync !== undefined) return this.resetSync(options);
    return this.#absorbReset(await this.primitive.reset(this.#beforeReset(options)), options?.mask);
  }

  step(actions: A, mask?: Mask): Promise<StepBatch<O>> {
    if (this.stepSync === undefined) return this.#stepLater(actions, mask);
    try {
      const batch = this.stepSync(actions, mask);
      if (this.#settled?.batch !== batch) this.#settled = { batch, promise: Promise.resolve(batch) };
      return this.#settled.promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  /**
   * Another environment in the same state, generators included, that goes its own way from here.
   * @throws NOT_SUPPORTED when the environment has no snapshots, or was not made by `makeVec`
   */
  async fork(): Promise<AutoresetVectorEnv<O, A>> {
    if (this.remake === undefined || this.snapshot === undefined) {
      fail({
        code: "NOT_SUPPORTED",
        what: "fork() of this environment",
        expected: "one made by makeVec, with snapshots",
        fix: "make a second one yourself and restore a snapshot into it",
      });
    }
    const twin = (await this.remake()) as unknown as AutoresetVectorEnv<O, A>;
    twin.restore!(structuredClone(this.snapshot()));
    return twin;
  }

  async close(): Promise<void> {
    await this.primitive.close();
  }

  #beforeReset(options: VectorResetOptions | undefined): VectorResetOptions | undefined {
    checkMask(options?.mask, this.numEnvs);
    const seed = this.#firstSeed;
    this.#firstSeed = undefined;
    return seed === undefined || options?.seed !== undefined ? options : { ...options, seed };
  }

  #stepNow(actions: A, mask: Mask | undefined): StepBatch<O> {
    this.#plan(mask);
    if (this.#wantsStep) {
      this.#absorbStep(this.primitive.stepSync!(actions, this.#masked ? this.#stepMask : undefined));
    }
    if (this.#wantsReset) this.#absorbAutoreset(this.primitive.resetSync!(this.#resetOptions));
    return this.#handStep();
  }

  async #stepLater(actions: A, mask: Mask | undefined): Promise<StepBatch<O>> {
    this.#plan(mask);
    if (this.#wantsStep) {
      this.#absorbStep(await this.primitive.step(actions, this.#masked ? this.#stepMask : undefined));
    }
    if (this.#wantsReset) this.#absorbAutoreset(await this.primitive.reset(this.#resetOptions));
    return this.#handStep();
  }

  /** Decide which rows to step and, under NEXT_STEP, which to reset instead. */
  #plan(mask: Mask | undefined): void {
    checkMask(mask, this.numEnvs);
    const phase = this.#phase;
    const step = this.#stepMask.data;
    const reset = this.#resetMask.data;
    let steps = 0;
    let resets = 0;
    for (let i = 0; i < this.numEnvs; i++) {
      const chosen = mask === undefined || mask.data[i] !== 0;
      if (chosen && phase[i] !== running && (phase[i] === unstarted || this.mode !== "next-step"))
        this.#refuse(i);
      step[i] = chosen && phase[i] === running ? 1 : 0;
      reset[i] = chosen && phase[i] === ended ? 1 : 0;
      steps += step[i];
      resets += reset[i];
    }
    this.#wantsStep = steps > 0;
    this.#wantsReset = resets > 0;
    this.#masked = steps < this.numEnvs;
    if (this.#batch !== undefined) this.#clear(this.#batch);
  }

  #refuse(row: number): never {
    const never = this.#phase[row] === unstarted;
    return fail({
      code: "RESET_NEEDED",
      what: `step of sub-environment ${row}, ${never ? "which was never reset" : "whose episode has ended"}`,
      expected: never
        ? "reset() before the first step"
        : `reset({ mask }) of ended rows before they are stepped again`,
      fix: never
        ? "call await env.reset({ seed }) first"
        : "call env.reset({ mask }) for it, leave it out with step(actions, mask), or choose another autoreset mode",
    });
  }

  #clear(batch: StepBatch<O>): void {
    batch.rewards.data.fill(0);
    batch.terminations.data.fill(0);
    batch.truncations.data.fill(0);
    batch.valid.data.fill(0);
    batch.infos = noInfos;
    if (this.mode !== "same-step") return;
    this.#finalMask.data.fill(0);
    batch.finalInfos = noInfos;
  }

  #absorbStep(from: StepBatch<O>): void {
    const batch = (this.#batch ??= this.#newBatch(from));
    batch.observations = from.observations;
    batch.rewards.data.set(from.rewards.data);
    batch.terminations.data.set(from.terminations.data);
    batch.truncations.data.set(from.truncations.data);
    batch.valid.data.set(from.valid.data);
    batch.infos = from.infos;
    const step = this.#stepMask.data;
    const reset = this.#resetMask.data;
    const sameStep = this.mode === "same-step";
    for (let i = 0; i < this.numEnvs; i++) {
      if (step[i] === 0 || (batch.terminations.data[i] | batch.truncations.data[i]) === 0) continue;
      this.#phase[i] = ended;
      if (!sameStep) continue;
      reset[i] = 1;
      this.#wantsReset = true;
    }
    if (!this.#wantsReset) return;
    if (sameStep) this.#keepFinals(batch);
    else this.#keepInfos(batch);
  }

  #newBatch(from: StepBatch<O>): StepBatch<O> {
    const { observations, infos } = from;
    const flags = () => zeros("bool", [this.numEnvs]);
    const rewards = zeros(from.rewards.dtype, [this.numEnvs]);
    const batch: StepBatch<O> = {
      observations,
      rewards,
      terminations: flags(),
      truncations: flags(),
      infos,
      valid: flags(),
    };
    if (this.mode !== "same-step") return batch;
    this.#finalObservations = emptyLike(this.singleObservationSpace, observations);
    return Object.assign(batch, {
      finalObservations: this.#finalObservations,
      finalMask: this.#finalMask,
      finalInfos: noInfos,
    });
  }

  /** The reset that follows may reuse the step's info columns: take them over first. */
  #keepInfos(batch: StepBatch<O>): void {
    if (isEmptyInfos(batch.infos)) return;
    const kept: Columns = {};
    mergeInfos(kept, batch.infos, this.#stepMask.data, this.#recycled);
    this.#recycled = kept;
    batch.infos = kept;
  }

  #keepFinals(batch: StepBatch<O>): void {
    const reset = this.#resetMask.data;
    this.#finalMask.data.set(reset);
    copyRows(
      this.singleObservationSpace,
      this.#finalObservations as ObservationBatch,
      batch.observations as ObservationBatch,
      reset,
    );
    if (isEmptyInfos(batch.infos)) return;
    const finals: Columns = {};
    const others: Columns = {};
    for (let i = 0; i < this.numEnvs; i++) this.#goingOn[i] = 1 - reset[i];
    mergeInfos(finals, batch.infos, reset, this.#recycledFinals);
    mergeInfos(others, batch.infos, this.#goingOn, this.#recycled);
    this.#recycledFinals = finals;
    this.#recycled = others;
    batch.finalInfos = finals;
    batch.infos = others;
  }

  #absorbAutoreset(from: ResetBatch<O>): void {
    const batch = (this.#batch ??= this.#newBatch(this.#emptyStep(from)));
    batch.observations = from.observations;
    const reset = this.#resetMask.data;
    for (let i = 0; i < this.numEnvs; i++) if (reset[i] !== 0) this.#phase[i] = running;
    if (isEmptyInfos(from.infos)) return;
    const merged: Columns = { ...batch.infos };
    mergeInfos(merged, from.infos, reset);
    batch.infos = merged;
  }

  #emptyStep(from: ResetBatch<O>): StepBatch<O> {
    const flags = zeros("bool", [this.numEnvs]);
    const rewards = zeros("float64", [this.numEnvs]);
    return { ...from, rewards, terminations: flags, truncations: flags, valid: flags };
  }

  #absorbReset(from: ResetBatch<O>, mask: Mask | undefined): ResetBatch<O> {
    for (let i = 0; i < this.numEnvs; i++)
      if (mask === undefined || mask.data[i] !== 0) this.#phase[i] = running;
    if (!this.copies) return from;
    return {
      observations: cloneBatch(this.singleObservationSpace, from.observations),
      infos: cloneInfos(from.infos),
    };
  }

  #handStep(): StepBatch<O> {
    const batch = this.#batch!;
    if (!this.copies) return batch;
    return cloneStep(this.singleObservationSpace, batch);
  }

  #snapshot(): Snapshot {
    const state: AutoresetState = {
      mode: this.mode,
      phase: this.#phase.slice(),
      primitive: this.primitive.snapshot!(),
    };
    return { kind: "autoreset", state };
  }

  #restore(snapshot: Snapshot): void {
    const state = snapshot.state as AutoresetState;
    if (snapshot.kind !== "autoreset" || state.mode !== this.mode || state.phase.length !== this.numEnvs) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the snapshot was taken of another kind of environment",
        expected: `a snapshot of ${this.numEnvs} sub-environments in mode ${this.mode}`,
        got: `${snapshot.kind}, ${state.phase?.length} sub-environments, mode ${state.mode}`,
        fix: "restore into an environment made with the same arguments",
      });
    }
    this.#phase.set(state.phase);
    this.primitive.restore!(state.primitive);
  }
}

/**
 * Gymnasium's NEXT_STEP, SAME_STEP or (guarded) DISABLED over a masked-step primitive.
 *
 * - `"next-step"`: the step after an end ignores that row's action and resets it: first observation, reward 0, flags 0,
 *   the reset's info, and `valid` 0, so that this artificial transition can be masked out of training data.
 * - `"same-step"`: an ended row is reset at once: `observations` hold the new episode's first observation, the last one
 *   stands in `finalObservations` where `finalMask` is 1, the ending step's info in `finalInfos`.
 * - `"disabled"`: stepping an ended row throws; reset it with `reset({ mask })` or leave it out of `step`'s mask.
 *
 * Rows outside the `mask` of `step` are left alone in every mode, their pending reset included.
 * @throws RESET_NEEDED for a step before the first reset (every mode) or of an ended row (disabled).
 * @throws INVALID_SHAPE for a mask that is not bool [numEnvs] or all zero.
 * @throws UNKNOWN_NAME for a mode that is none; NOT_SUPPORTED when `primitive` already resets by itself in another mode.
 * @source Gymnasium 1.4 `gymnasium/vector/sync_vector_env.py`
 */
export function withAutoreset<O, A>(
  primitive: VectorEnv<O, A>,
  mode: AutoresetMode,
  options: AutoresetOptions = {},
): AutoresetVectorEnv<O, A> {
  if (!autoresetModes.includes(mode)) throw unknownName("autoreset mode", mode, autoresetModes);
  if (primitive instanceof AutoresetVectorEnv) return withAutoreset(primitive.primitive, mode, options);
  const own = primitive.metadata.autoreset ?? "disabled";
  if (own !== "disabled") {
    fail({
      code: "NOT_SUPPORTED",
      what: `autoreset "${mode}" over an environment that already resets by itself ("${own}")`,
      expected: `a primitive: metadata.autoreset "disabled"`,
      fix: 'wrap the primitive, or ask the environment\'s maker for autoreset: "disabled"',
    });
  }
  return new AutoresetVectorEnv<O, A>(primitive, mode, options);
}
