/** @file The general vector env: N single environments in this thread, stepped one after the other. */

import { asError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import { cloneBatch, copyRow, copyRows, rowAt } from "../batch.ts";
import type {
  Env,
  EnvMetadata,
  EnvSpec,
  Frame,
  Info,
  InfoColumn,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  StepResult,
  VectorEnv,
  VectorResetOptions,
} from "../env.ts";
import { addInfo, noInfos } from "../infos.ts";
import { actionReader } from "./actions.ts";
import { primitiveName } from "../names.ts";
import { seedOf } from "./seeds.ts";

type Mask = NdArray<"bool">;
const noOptions: VectorResetOptions = Object.freeze({});
type Columns = Record<string, InfoColumn>;

/** Options of `SyncVectorEnv`. */
export interface SyncVectorOptions {
  /** Memory for the results, e.g. shared with another thread; observations as the single space's `createEmpty(n)`. */
  readonly memory?: Pick<StepBatch, "observations" | "terminations" | "truncations" | "valid"> & {
    readonly rewards: NdArray<"float64">;
  };
  /**
   * Called when a sub-environment throws, which then reports truncation with an info `failure` instead of stopping the
   * whole batch; replace it (`replaceEnv`) before it is reset. Absent: the error goes to the caller.
   */
  readonly onFailure?: (row: number, error: Error) => void;
}

/** Snapshot of N single environments and their last observations. */
export interface SyncState {
  readonly envs: readonly Snapshot[];
  readonly observations: ObservationBatch;
}

/** The state in a snapshot of `numEnvs` single environments. @throws INVALID_ARGUMENT for a snapshot of anything else */
export function readSyncSnapshot(snapshot: Snapshot, numEnvs: number): SyncState {
  const state = snapshot.state as SyncState;
  if (snapshot.kind === "sync" && state.envs.length === numEnvs) return state;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "snapshot of another environment",
    expected: `${numEnvs} single environments`,
    got: snapshot.kind,
  });
}

/**
 * N single environments as a masked-step primitive.
 *
 * Environments with `bind` write straight into the batch. All must have equal action spaces and observation spaces that
 * agree in kind, shape and dtype (bounds may differ).
 */
export class SyncVectorEnv implements VectorEnv<ObservationBatch, unknown> {
  readonly envs: Env[];
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  readonly spec: EnvSpec | undefined;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  readonly #batch: StepBatch;
  readonly #reset: ResetBatch;
  readonly #stepped: Promise<StepBatch>;
  /** Per env: 1 when it writes its observations into the batch itself. */
  readonly #bound: Uint8Array;
  readonly #actionAt: (actions: unknown, i: number) => unknown;
  readonly #onFailure: ((row: number, error: Error) => void) | undefined;
  #closed = false;

  constructor(envs: Env[], options: SyncVectorOptions = {}) {
    const [first] = envs;
    if (first === undefined)
      fail({ code: "INVALID_ARGUMENT", what: "a vector env of no environments", expected: "at least one" });
    const n = envs.length;
    this.envs = envs;
    this.numEnvs = n;
    this.singleObservationSpace = first.observationSpace;
    this.singleActionSpace = first.actionSpace;
    this.observationSpace = first.observationSpace.batchDiffering(envs.map((env) => env.observationSpace));
    this.actionSpace = first.actionSpace.batch(n);
    this.metadata = { ...first.metadata, autoreset: "disabled" };
    this.spec = first.spec;
    this.#checkActionSpaces();
    this.#onFailure = options.onFailure;
    const memory = options.memory ?? this.#allocate();
    this.#reset = { observations: memory.observations, infos: noInfos };
    this.#batch = { ...memory, infos: noInfos };
    this.#stepped = Promise.resolve(this.#batch);
    this.#bound = Uint8Array.from(envs, (env, i) => this.#bind(env, i));
    this.#actionAt = actionReader(first.actionSpace, n);
    if (envs.every((env) => env.snapshot !== undefined && env.restore !== undefined)) {
      this.snapshot = () => this.#save();
      this.restore = (snapshot) => this.#load(snapshot);
    }
  }

  #allocate(): NonNullable<SyncVectorOptions["memory"]> {
    const n = this.numEnvs;
    const flags = () => zeros("bool", [n]);
    return {
      observations: this.singleObservationSpace.createEmpty(n) as ObservationBatch,
      rewards: zeros("float64", [n]),
      terminations: flags(),
      truncations: flags(),
      valid: flags(),
    };
  }

  #checkActionSpaces(): void {
    const other = this.envs.findIndex((env) => !env.actionSpace.equals(this.singleActionSpace));
    if (other === -1) return;
    fail({
      code: "INVALID_ARGUMENT",
      what: `the action space of environment ${other} differs`,
      expected: String(this.singleActionSpace),
      got: String(this.envs[other].actionSpace),
      fix: "vectorize environments of one kind",
    });
  }

  #bind(env: Env, i: number): number {
    if (env.bind === undefined) return 0;
    env.bind(rowAt(this.singleObservationSpace, this.#reset.observations, i));
    return 1;
  }

  async reset(options?: VectorResetOptions): Promise<ResetBatch> {
    return this.resetSync(options);
  }

  step(actions: unknown, mask?: Mask): Promise<StepBatch> {
    try {
      this.stepSync(actions, mask);
      return this.#stepped;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  resetSync(options: VectorResetOptions = noOptions): ResetBatch {
    this.#checkOpen();
    const { mask } = options;
    let columns: Columns | undefined;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      const { observation, info } = this.#resetRow(i, options);
      if (this.#bound[i] === 0 && observation !== undefined) this.#write(observation, i);
      for (const _name in info) {
        addInfo((columns ??= {}), info, i, this.numEnvs);
        break;
      }
    }
    this.#reset.infos = columns ?? noInfos;
    return this.#reset;
  }

  #resetRow(i: number, { seed, options }: VectorResetOptions): { observation: unknown; info: Info } {
    try {
      if (seed === undefined && options === undefined) return this.envs[i].reset();
      return this.envs[i].reset({ seed: seedOf(seed, i, this.numEnvs), options });
    } catch (error) {
      if (this.#onFailure === undefined) throw error;
      this.#onFailure(i, asError(error));
      return { observation: undefined, info: { failure: asError(error).message } };
    }
  }

  stepSync(actions: unknown, mask?: Mask): StepBatch {
    this.#checkOpen();
    const batch = this.#batch;
    const rewards = batch.rewards.data;
    const terminations = batch.terminations.data;
    const truncations = batch.truncations.data;
    const valid = batch.valid.data;
    let columns: Columns | undefined;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) {
        rewards[i] = 0;
        terminations[i] = truncations[i] = valid[i] = 0;
        continue;
      }
      const result = this.#stepRow(i, actions);
      rewards[i] = result.reward;
      terminations[i] = result.terminated ? 1 : 0;
      truncations[i] = result.truncated ? 1 : 0;
      valid[i] = 1;
      if (this.#bound[i] === 0 && result.observation !== undefined) this.#write(result.observation, i);
      for (const _name in result.info) {
        addInfo((columns ??= {}), result.info, i, this.numEnvs);
        break;
      }
    }
    batch.infos = columns ?? noInfos;
    return batch;
  }

  #stepRow(i: number, actions: unknown): StepResult<unknown> {
    const action = this.#actionAt(actions, i);
    if (this.#onFailure === undefined) return this.envs[i].step(action);
    try {
      return this.envs[i].step(action);
    } catch (error) {
      this.#onFailure(i, asError(error));
      const info = { failure: asError(error).message };
      return { observation: undefined, reward: 0, terminated: false, truncated: true, info };
    }
  }

  /** Put another environment in row `i`; it must be reset before it is stepped. The old one is closed. */
  replaceEnv(i: number, env: Env): void {
    try {
      this.envs[i].close();
    } catch {
      // The old environment is broken: that it cannot close either is no news.
    }
    this.envs[i] = env;
    this.#bound[i] = this.#bind(env, i);
  }

  #write(observation: unknown, i: number): void {
    copyRow(this.singleObservationSpace, this.#reset.observations, observation, i);
  }

  async render(mask?: Mask): Promise<readonly (Frame | undefined)[]> {
    return this.renderSync(mask);
  }

  renderSync(mask?: Mask): readonly (Frame | undefined)[] {
    return this.envs.map((env, i) => (mask?.data[i] === 0 ? undefined : env.render?.()));
  }

  #save(): Snapshot {
    const observations = cloneBatch(this.singleObservationSpace, this.#reset.observations);
    return {
      kind: "sync",
      state: { envs: this.envs.map((env) => env.snapshot!()), observations } satisfies SyncState,
    };
  }

  #load(snapshot: Snapshot): void {
    const { envs, observations } = readSyncSnapshot(snapshot, this.numEnvs);
    this.envs.forEach((env, i) => env.restore!(envs[i]));
    copyRows(this.singleObservationSpace, this.#reset.observations, observations);
  }

  toString(): string {
    return primitiveName(this);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const env of this.envs) env.close();
  }

  #checkOpen(): void {
    if (this.#closed)
      fail({ code: "ENV_CLOSED", what: "use of a closed vector environment", fix: "make a new one" });
  }
}
