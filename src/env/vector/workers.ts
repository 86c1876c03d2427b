/** @file The vector env over worker threads: sub-environments on several cores, their batch in shared memory. */

import { availableParallelism } from "node:os";
import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { spaceFromJSON } from "../../core/spaces/json.ts";
import type { Space } from "../../core/spaces/space.ts";
import { cloneBatch, copyRows } from "../batch.ts";
import type {
  EnvMetadata,
  EnvSpec,
  Frame,
  Kwargs,
  ObservationBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../env.ts";
import { noInfos } from "../infos.ts";
import { writeActions } from "./actions.ts";
import { primitiveName } from "../names.ts";
import { allocateMemory } from "./shared-memory.ts";
import type { Outcome } from "./worker-handle.ts";
import type { SyncState } from "./sync.ts";
import { readSyncSnapshot } from "./sync.ts";
import { failureError, WorkerHandle } from "./worker-handle.ts";
import type { Introduction, SharedMemory, WorkerSpec } from "./worker-protocol.ts";
import { joinInfos, shareOfReset } from "./worker-rows.ts";
import { partsOf, workerSpecOf } from "./worker-spec.ts";

type Mask = NdArray<"bool">;

/** Options of `makeWorkersVectorEnv`. */
export interface WorkersOptions {
  readonly numEnvs: number;
  /** Threads; default one per core, at most one per sub-environment. */
  readonly numWorkers?: number;
  /**
   * "throw" (default): a failing sub-environment or worker rejects the call, with its index. "restart": it reports
   * truncation with an info `failure`, and goes on as a fresh one.
   */
  readonly onFailure?: "throw" | "restart";
  /** A worker that does not answer for so long is ended and counts as failed; default 60 s. */
  readonly timeoutMs?: number;
  readonly kwargs?: Kwargs;
}

/** See `makeWorkersVectorEnv`. */
export class WorkersVectorEnv implements VectorEnv<ObservationBatch, unknown> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  readonly spec: EnvSpec;
  readonly snapshot?: () => Snapshot;
  readonly restore?: (snapshot: Snapshot) => void;
  readonly #workerSpec: WorkerSpec;
  readonly #options: WorkersOptions;
  readonly #handles: WorkerHandle[];
  readonly #memory: SharedMemory;
  readonly #actions: ObservationBatch;
  readonly #mask: Mask;
  readonly #batch: StepBatch;
  readonly #reset: ResetBatch;
  #busy = false;
  #closed = false;

  constructor(made: {
    workerSpec: WorkerSpec;
    spec: EnvSpec;
    options: WorkersOptions;
    handles: WorkerHandle[];
    introduction: Introduction;
  }) {
    const { introduction, options } = made;
    const n = options.numEnvs;
    this.numEnvs = n;
    this.spec = made.spec;
    this.#workerSpec = made.workerSpec;
    this.#options = options;
    this.#handles = made.handles;
    this.singleObservationSpace = spaceFromJSON(introduction.observationSpace);
    this.singleActionSpace = spaceFromJSON(introduction.actionSpace);
    this.observationSpace = this.singleObservationSpace.batch(n);
    this.actionSpace = this.singleActionSpace.batch(n);
    this.metadata = { ...introduction.metadata, autoreset: "disabled" };
    const { memory, batch, actions, mask } = allocateMemory(
      this.singleObservationSpace,
      this.singleActionSpace,
      n,
    );
    this.#memory = memory;
    this.#batch = batch;
    this.#actions = actions;
    this.#mask = mask;
    this.#reset = { observations: batch.observations, infos: noInfos };
    if (!introduction.snapshots) return;
    this.snapshot = () => this.#save();
    this.restore = (snapshot) => this.#load(snapshot);
  }

  /** How long a worker may take for an answer, in ms. */
  set timeoutMs(timeoutMs: number) {
    for (const handle of this.#handles) handle.timeoutMs = timeoutMs;
  }

  /** Give the workers their shared memory. */
  async attach(handles: readonly WorkerHandle[] = this.#handles): Promise<void> {
    for (const handle of handles) handle.requestCall({ name: "attach", memory: this.#memory });
    this.#judge(await Promise.all(handles.map((handle) => handle.outcome())), "throw");
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch> {
    const rows = this.#begin(options.mask);
    try {
      await this.#revive(rows);
      for (const handle of rows) handle.requestReset(shareOfReset(options, this.#mask, handle));
      const outcomes = await Promise.all(rows.map((handle) => handle.outcome()));
      this.#judge(outcomes, "throw");
      this.#reset.infos = joinInfos(rows, outcomes, this.#mask);
      return this.#reset;
    } finally {
      this.#busy = false;
    }
  }

  async step(actions: unknown, mask?: Mask): Promise<StepBatch> {
    const rows = this.#begin(mask);
    try {
      writeActions(this.singleActionSpace, this.#actions, actions);
      if (rows.length < this.#handles.length) this.#silence(rows);
      for (const handle of rows) handle.requestStep();
      const outcomes = await Promise.all(rows.map((handle) => handle.outcome()));
      await this.#bury(rows, outcomes);
      this.#judge(outcomes, this.#closed ? "throw" : (this.#options.onFailure ?? "throw"));
      this.#batch.infos = joinInfos(rows, outcomes, this.#mask);
      return this.#batch;
    } finally {
      this.#busy = false;
    }
  }

  /** Check the state, write the mask, and give the workers that it concerns. */
  #begin(mask: Mask | undefined): WorkerHandle[] {
    if (this.#closed)
      fail({ code: "ENV_CLOSED", what: "use of a closed vector environment", fix: "make a new one" });
    if (this.#busy) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "a call of a vector environment before the last one has finished",
        expected: "one call at a time",
        fix: "await every step and reset",
      });
    }
    this.#busy = true;
    if (mask === undefined) this.#mask.data.fill(1);
    else this.#mask.data.set(mask.data);
    if (mask === undefined) return this.#handles;
    return this.#handles.filter(({ start, end }) => mask.data.subarray(start, end).includes(1));
  }

  /** Rows of workers that do not take part report nothing. */
  #silence(rows: readonly WorkerHandle[]): void {
    const { rewards, terminations, truncations, valid } = this.#batch;
    for (const handle of this.#handles) {
      if (rows.includes(handle)) continue;
      for (const array of [rewards, terminations, truncations, valid])
        array.data.fill(0, handle.start, handle.end);
    }
  }

  /** Rows of dead workers are truncated; "restart" starts them anew. */
  async #bury(rows: readonly WorkerHandle[], outcomes: readonly Outcome[]): Promise<void> {
    const dead = rows.filter((_, k) => outcomes[k].died !== undefined);
    if (dead.length === 0 || this.#closed || this.#options.onFailure !== "restart") return;
    const { rewards, terminations, truncations, valid } = this.#batch;
    for (const { start, end } of dead) {
      rewards.data.fill(0, start, end);
      terminations.data.fill(0, start, end);
      truncations.data.set(this.#mask.data.subarray(start, end), start);
      valid.data.set(this.#mask.data.subarray(start, end), start);
    }
    await this.#revive(dead);
  }

  /** Start dead workers anew, in place. */
  async #revive(rows: WorkerHandle[]): Promise<void> {
    for (const [k, handle] of rows.entries()) {
      if (handle.alive) continue;
      await handle.close();
      const fresh = new WorkerHandle(
        this.#workerSpec,
        [handle.start, handle.end],
        this.#options.timeoutMs ?? 60_000,
      );
      await fresh.introduction();
      await this.attach([fresh]);
      this.#handles[this.#handles.indexOf(handle)] = fresh;
      rows[k] = fresh;
    }
  }

  #judge(outcomes: readonly Outcome[], onFailure: "throw" | "restart"): void {
    for (const { died, failures } of outcomes) {
      if (died !== undefined && onFailure === "throw") throw died;
      const serious = failures.find((failure) => failure.row < 0 || onFailure === "throw");
      if (serious !== undefined) failureError(serious);
    }
  }

  async render(mask?: Mask): Promise<readonly (Frame | undefined)[]> {
    const rows = this.#begin(mask);
    try {
      for (const handle of rows) handle.requestCall({ name: "render" });
      const outcomes = await Promise.all(rows.map((handle) => handle.outcome()));
      this.#judge(outcomes, "throw");
      const frames: (Frame | undefined)[] = Array.from({ length: this.numEnvs });
      outcomes.forEach(({ answer }, k) => {
        (answer as (Frame | undefined)[]).forEach((frame, j) => (frames[rows[k].start + j] = frame));
      });
      return frames;
    } finally {
      this.#busy = false;
    }
  }

  #callNow(call: (handle: WorkerHandle) => Parameters<WorkerHandle["requestCall"]>[0]): Outcome[] {
    const handles = this.#begin(undefined);
    try {
      for (const handle of handles) handle.requestCall(call(handle));
      const outcomes = handles.map((handle) => handle.outcomeNow());
      this.#judge(outcomes, "throw");
      return outcomes;
    } finally {
      this.#busy = false;
    }
  }

  #save(): Snapshot {
    const envs = this.#callNow(() => ({ name: "snapshot" })).flatMap(({ answer }) => answer as Snapshot[]);
    const observations = cloneBatch(this.singleObservationSpace, this.#reset.observations);
    return { kind: "sync", state: { envs, observations } satisfies SyncState };
  }

  #load(snapshot: Snapshot): void {
    const { envs, observations } = readSyncSnapshot(snapshot, this.numEnvs);
    this.#callNow(({ start, end }) => ({ name: "restore", snapshots: envs.slice(start, end) }));
    copyRows(this.singleObservationSpace, this.#reset.observations, observations);
  }

  toString(): string {
    return primitiveName(this);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }
}

/**
 * N sub-environments of `spec` on worker threads, as a masked-step primitive.
 *
 * Observations, actions, rewards and flags live in shared memory, written by the workers in place; infos and failures
 * travel beside them when there are any. Actions are converted to the action space's dtype.
 * @throws WORKER_FAILED when a worker cannot build its environments; NOT_SUPPORTED when threads cannot find them
 */
export async function makeWorkersVectorEnv(
  spec: EnvSpec,
  options: WorkersOptions,
): Promise<WorkersVectorEnv> {
  const workerSpec = workerSpecOf(spec, options.kwargs ?? {});
  const workers = Math.min(options.numWorkers ?? availableParallelism(), options.numEnvs);
  const timeoutMs = options.timeoutMs ?? 60_000;
  const handles = partsOf(options.numEnvs, workers).map(
    (rows) => new WorkerHandle(workerSpec, rows, timeoutMs),
  );
  try {
    const [introduction] = await Promise.all(handles.map((handle) => handle.introduction()));
    const env = new WorkersVectorEnv({ workerSpec, spec, options, handles, introduction });
    await env.attach();
    return env;
  } catch (error) {
    await Promise.all(handles.map((handle) => handle.close()));
    throw error;
  }
}
