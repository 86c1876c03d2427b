/** @file Gymnasium's three autoreset modes, derived once from the masked-step primitive for every kind of vector env. */

import { asError, fail, unknownName } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";
import { AutoresetResult } from "./autoreset-result.ts";
import { cloneBatch } from "./batch.ts";
import type {
  AutoresetMode,
  EnvMetadata,
  EnvSpec,
  Frame,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "./env.ts";
import { cloneInfos } from "./infos.ts";
import type { Mask } from "./masks.ts";
import { checkMask } from "./masks.ts";
import { nameOf } from "./names.ts";
import { RowPhases } from "./row-phases.ts";
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

/** What the derived env remembers between calls; plain data. */
interface AutoresetState {
  readonly mode: AutoresetMode;
  /** See `RowPhases`. */
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
  readonly #phases: RowPhases;
  /** Makes another such environment, where that is known. */
  readonly remake: (() => Promise<VectorEnv>) | undefined;
  #firstSeed: number | undefined;
  readonly #result: AutoresetResult<O>;
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
    this.#phases = new RowPhases(this.numEnvs, mode);
    this.#result = new AutoresetResult(primitive, mode);
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

  toString(): string {
    return `<${this.mode}, ${nameOf(this.primitive)}>`;
  }

  #beforeReset(options: VectorResetOptions | undefined): VectorResetOptions | undefined {
    checkMask(options?.mask, this.numEnvs);
    const seed = this.#firstSeed;
    this.#firstSeed = undefined;
    return seed === undefined || options?.seed !== undefined ? options : { ...options, seed };
  }

  #stepNow(actions: A, mask: Mask | undefined): StepBatch<O> {
    const { primitive } = this;
    const phases = this.#plan(mask);
    if (phases.wantsStep)
      this.#absorbStep(primitive.stepSync!(actions, phases.masked ? phases.stepMask : undefined));
    if (phases.wantsReset) this.#absorbAutoreset(primitive.resetSync!(phases.resetOptions));
    return this.#handStep();
  }

  async #stepLater(actions: A, mask: Mask | undefined): Promise<StepBatch<O>> {
    const { primitive } = this;
    const phases = this.#plan(mask);
    if (phases.wantsStep)
      this.#absorbStep(await primitive.step(actions, phases.masked ? phases.stepMask : undefined));
    if (phases.wantsReset) this.#absorbAutoreset(await primitive.reset(phases.resetOptions));
    return this.#handStep();
  }

  #plan(mask: Mask | undefined): RowPhases {
    this.#phases.plan(mask);
    this.#result.clear();
    return this.#phases;
  }

  #absorbStep(from: StepBatch<O>): void {
    const phases = this.#phases;
    phases.noteEnds(this.#result.takeStep(from));
    if (!phases.wantsReset) return;
    if (this.mode === "same-step") this.#result.keepFinals(phases.resetMask.data);
    else this.#result.keepInfos(phases.stepMask.data);
  }

  #absorbAutoreset(from: ResetBatch<O>): void {
    const { resetMask } = this.#phases;
    this.#phases.noteReset(resetMask);
    this.#result.takeReset(from, resetMask.data);
  }

  #absorbReset(from: ResetBatch<O>, mask: Mask | undefined): ResetBatch<O> {
    this.#phases.noteReset(mask);
    if (!this.copies) return from;
    return {
      observations: cloneBatch(this.singleObservationSpace, from.observations),
      infos: cloneInfos(from.infos),
    };
  }

  #handStep(): StepBatch<O> {
    const { batch } = this.#result;
    if (!this.copies) return batch;
    return cloneStep(this.singleObservationSpace, batch);
  }

  #snapshot(): Snapshot {
    const state: AutoresetState = {
      mode: this.mode,
      phase: this.#phases.save(),
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
    this.#phases.load(state.phase);
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
