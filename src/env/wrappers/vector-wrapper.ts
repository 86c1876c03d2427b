/** @file The base of every wrapper: a masked-step primitive around a masked-step primitive. */

import { asError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type {
  EnvMetadata,
  EnvSpec,
  Frame,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../env.ts";
import { wrapperName } from "../names.ts";

/** bool [N]: which rows a call is about; all when absent. */
export type Mask = NdArray<"bool">;

/** A primitive of any observation and action form. */
export type AnyVectorEnv = VectorEnv<ObservationBatch, unknown>;

/** One call of the inner environment that a wrapper's plan asks for. */
export type InnerCall = { readonly actions: unknown; readonly mask: Mask | undefined };

/** A step as a series of inner steps; each `yield` gives back the inner result, which the next one may overwrite. */
export type StepPlan = Generator<InnerCall, StepBatch, StepBatch>;

/** The single spaces that a wrapper gives its environment instead of the inner ones. */
export interface WrapperSpaces {
  readonly observation?: Space;
  readonly action?: Space;
  /** True: every call has to be awaited, even where the inner environment's needs not. */
  readonly asynchronous?: boolean;
}

interface WrapperSnapshot {
  readonly env: Snapshot;
  readonly memory: unknown;
}

/**
 * Base of the wrappers. A wrapper sees only masked steps and masked resets of a primitive, never an autoreset: that is
 * derived outside of it, so one implementation is right in all three modes.
 *
 * Override `beforeStep`, `afterStep`, `afterReset` (synchronous; results may be reused arrays of the wrapper, never
 * changes of the inner ones), or `plan` for several inner steps per step. `state` is what a checkpoint keeps, `memory`
 * what a snapshot needs besides.
 */
export abstract class VectorWrapper implements AnyVectorEnv {
  readonly env: AnyVectorEnv;
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly stepSync?: (actions: unknown, mask?: Mask) => StepBatch;
  readonly resetSync?: (options?: VectorResetOptions) => ResetBatch;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  #relayed: StepBatch | undefined;
  #settled: { batch: StepBatch; promise: Promise<StepBatch> } | undefined;

  constructor(env: AnyVectorEnv, spaces: WrapperSpaces = {}) {
    this.env = env;
    this.numEnvs = env.numEnvs;
    this.singleObservationSpace = spaces.observation ?? env.singleObservationSpace;
    this.singleActionSpace = spaces.action ?? env.singleActionSpace;
    this.observationSpace = spaces.observation?.batch(env.numEnvs) ?? env.observationSpace;
    this.actionSpace = spaces.action?.batch(env.numEnvs) ?? env.actionSpace;
    if (spaces.asynchronous !== true && env.stepSync !== undefined && env.resetSync !== undefined) {
      this.stepSync = (actions, mask) => this.#stepNow(actions, mask);
      this.resetSync = (options) => this.afterReset(env.resetSync!(this.beforeReset(options)), options);
    }
    if (env.snapshot !== undefined && env.restore !== undefined) {
      this.snapshot = () => this.#save();
      this.restore = (snapshot) => this.#load(snapshot);
    }
  }

  get metadata(): EnvMetadata {
    return this.env.metadata;
  }
  get spec(): EnvSpec | undefined {
    return this.env.spec;
  }
  get render(): ((mask?: Mask) => Promise<readonly (Frame | undefined)[]>) | undefined {
    return this.env.render?.bind(this.env);
  }
  get renderSync(): ((mask?: Mask) => readonly (Frame | undefined)[]) | undefined {
    return this.env.renderSync?.bind(this.env);
  }

  /** Options of the inner reset. */
  protected beforeReset(options: VectorResetOptions | undefined): VectorResetOptions | undefined {
    return options;
  }
  /** Actions of the inner step. */
  protected beforeStep(actions: unknown, _mask: Mask | undefined): unknown {
    return actions;
  }
  protected afterReset(batch: ResetBatch, _options: VectorResetOptions | undefined): ResetBatch {
    return batch;
  }
  protected afterStep(batch: StepBatch, _mask: Mask | undefined): StepBatch {
    return batch;
  }
  /** The inner steps of one step; one by default. */
  protected plan?(actions: unknown, mask: Mask | undefined): StepPlan;

  /** The wrapper's own result record with the fields of `batch`, for changing some of them. */
  protected relay(batch: StepBatch): StepBatch {
    const out = (this.#relayed ??= { ...batch });
    out.observations = batch.observations;
    out.rewards = batch.rewards;
    out.terminations = batch.terminations;
    out.truncations = batch.truncations;
    out.infos = batch.infos;
    out.valid = batch.valid;
    return out;
  }

  /** What a checkpoint keeps, as plain JSON; undefined when there is nothing. */
  state(): unknown {
    return undefined;
  }
  load(_state: unknown): void {}
  /** What a snapshot needs; by default the checkpoint's state. */
  protected memory(): unknown {
    return this.state();
  }
  protected recall(memory: unknown): void {
    this.load(memory);
  }

  async reset(options?: VectorResetOptions): Promise<ResetBatch> {
    if (this.resetSync !== undefined) return this.resetSync(options);
    return this.afterReset(await this.env.reset(this.beforeReset(options)), options);
  }

  step(actions: unknown, mask?: Mask): Promise<StepBatch> {
    if (this.stepSync === undefined) return this.#stepLater(actions, mask);
    try {
      const batch = this.stepSync(actions, mask);
      if (this.#settled?.batch !== batch) this.#settled = { batch, promise: Promise.resolve(batch) };
      return this.#settled.promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  #stepNow(actions: unknown, mask: Mask | undefined): StepBatch {
    const { env } = this;
    if (this.plan === undefined) {
      return this.afterStep(env.stepSync!(this.beforeStep(actions, mask), mask), mask);
    }
    const plan = this.plan(actions, mask);
    let next = plan.next();
    while (next.done !== true) next = plan.next(env.stepSync!(next.value.actions, next.value.mask));
    return next.value;
  }

  async #stepLater(actions: unknown, mask: Mask | undefined): Promise<StepBatch> {
    const { env } = this;
    if (this.plan === undefined) {
      return this.afterStep(await env.step(this.beforeStep(actions, mask), mask), mask);
    }
    const plan = this.plan(actions, mask);
    let next = plan.next();
    while (next.done !== true) next = plan.next(await env.step(next.value.actions, next.value.mask));
    return next.value;
  }

  #save(): Snapshot {
    const state: WrapperSnapshot = { env: this.env.snapshot!(), memory: structuredClone(this.memory()) };
    return { kind: this.constructor.name, state };
  }

  #load(snapshot: Snapshot): void {
    if (snapshot.kind !== this.constructor.name) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the snapshot was taken of another stack of wrappers",
        expected: this.constructor.name,
        got: snapshot.kind,
        fix: "restore into an environment wrapped in the same order",
      });
    }
    const saved = snapshot.state as WrapperSnapshot;
    this.env.restore!(saved.env);
    this.recall(structuredClone(saved.memory));
  }

  async close(): Promise<void> {
    await this.env.close();
  }

  toString(): string {
    return wrapperName(this, this.env);
  }
}
