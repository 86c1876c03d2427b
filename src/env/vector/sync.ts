/** @file The general vector env: N single environments in this thread, stepped one after the other. */

import { asError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import { copyRow, rowAt } from "../batch.ts";
import type {
  Env,
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
} from "../env.ts";
import { addInfo, noInfos } from "../infos.ts";
import { actionReader } from "./actions.ts";
import { seedOf } from "./seeds.ts";

type Mask = NdArray<"bool">;
type Columns = Record<string, InfoColumn>;

/** Options of `SyncVectorEnv`. */
export interface SyncVectorOptions {
  /** Memory for the observations, e.g. shared with another thread; laid out as `observationSpace`'s `createEmpty`. */
  readonly observations?: ObservationBatch;
}

/**
 * N single environments as a masked-step primitive.
 *
 * Environments with `bind` write straight into the batch. All must have equal action spaces and observation spaces that
 * agree in kind, shape and dtype (bounds may differ).
 */
export class SyncVectorEnv implements VectorEnv<ObservationBatch, unknown> {
  readonly envs: readonly Env[];
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
  #closed = false;

  constructor(envs: readonly Env[], options: SyncVectorOptions = {}) {
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
    const observations = options.observations ?? (first.observationSpace.createEmpty(n) as ObservationBatch);
    const flags = () => zeros("bool", [n]);
    this.#reset = { observations, infos: noInfos };
    this.#batch = {
      ...this.#reset,
      rewards: zeros("float64", [n]),
      terminations: flags(),
      truncations: flags(),
      valid: flags(),
    };
    this.#stepped = Promise.resolve(this.#batch);
    this.#bound = Uint8Array.from(envs, (env, i) => this.#bind(env, i));
    this.#actionAt = actionReader(first.actionSpace, n);
    if (envs.every((env) => env.snapshot !== undefined && env.restore !== undefined)) {
      this.snapshot = () => this.#save();
      this.restore = (snapshot) => this.#load(snapshot);
    }
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

  resetSync(options: VectorResetOptions = {}): ResetBatch {
    this.#checkOpen();
    const { mask, seed } = options;
    let columns: Columns | undefined;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      const { observation, info } = this.envs[i].reset({
        seed: seedOf(seed, i, this.numEnvs),
        options: options.options,
      });
      if (this.#bound[i] === 0) this.#write(observation, i);
      for (const _name in info) {
        addInfo((columns ??= {}), info, i, this.numEnvs);
        break;
      }
    }
    this.#reset.infos = columns ?? noInfos;
    return this.#reset;
  }

  stepSync(actions: unknown, mask?: Mask): StepBatch {
    this.#checkOpen();
    const batch = this.#batch;
    const rewards = batch.rewards.data;
    const terminations = batch.terminations.data;
    const truncations = batch.truncations.data;
    const valid = batch.valid.data;
    const { envs } = this;
    let columns: Columns | undefined;
    for (let i = 0; i < envs.length; i++) {
      if (mask !== undefined && mask.data[i] === 0) {
        rewards[i] = 0;
        terminations[i] = truncations[i] = valid[i] = 0;
        continue;
      }
      const result = envs[i].step(this.#actionAt(actions, i));
      rewards[i] = result.reward;
      terminations[i] = result.terminated ? 1 : 0;
      truncations[i] = result.truncated ? 1 : 0;
      valid[i] = 1;
      if (this.#bound[i] === 0) this.#write(result.observation, i);
      for (const _name in result.info) {
        addInfo((columns ??= {}), result.info, i, envs.length);
        break;
      }
    }
    batch.infos = columns ?? noInfos;
    return batch;
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
    return { kind: "sync", state: this.envs.map((env) => env.snapshot!()) };
  }

  #load(snapshot: Snapshot): void {
    const saved = snapshot.state as readonly Snapshot[];
    if (snapshot.kind !== "sync" || saved.length !== this.numEnvs) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "snapshot of another environment",
        expected: `${this.numEnvs} single environments`,
      });
    }
    this.envs.forEach((env, i) => env.restore!(saved[i]));
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
