/** @file A vector environment that records what passes through it: one episode per row, ended by whatever ends it. */

import { maskedRows } from "../../core/array-record.ts";
import { ReverieError } from "../../core/errors.ts";
import { isNdArray } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Space } from "../../core/spaces/space.ts";
import type {
  Frame,
  InfoBatch,
  ObservationBatch,
  ResetBatch,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../../env/env.ts";
import type { EpisodeRecording, Recorder } from "../recorder.ts";

/** What a recording says beside the steps. */
export interface RecordOptions {
  /** Facts about every episode: env id, policy, operator. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** A clock for durations, milliseconds. */
  readonly now?: () => number;
}

/** `env`, a primitive, with every episode of every row recorded. */
export class RecordedEnv<O = ObservationBatch> implements VectorEnv<O, NdArray> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: VectorEnv["metadata"];
  private readonly env: VectorEnv<O, NdArray>;
  private readonly recorder: Recorder;
  private readonly options: RecordOptions;
  private readonly open: (EpisodeRecording | undefined)[];
  private readonly saving: Promise<unknown>[] = [];
  private readonly bounds: { readonly low: readonly number[]; readonly high: readonly number[] };

  constructor(env: VectorEnv<O, NdArray>, recorder: Recorder, options: RecordOptions = {}) {
    this.env = env;
    this.recorder = recorder;
    this.options = options;
    this.numEnvs = env.numEnvs;
    this.singleObservationSpace = env.singleObservationSpace;
    this.singleActionSpace = env.singleActionSpace;
    this.observationSpace = env.observationSpace;
    this.actionSpace = env.actionSpace;
    this.metadata = env.metadata;
    this.open = Array.from({ length: env.numEnvs }, () => undefined);
    this.bounds = boundsOf(env.singleActionSpace);
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<O>> {
    const chosen = maskedRows(this.numEnvs, options.mask);
    await Promise.all(chosen.map((row) => this.end(row, { truncated: true, meta: { cut: "reset" } })));
    const batch = await this.env.reset(options);
    for (const row of chosen) this.begin(row, batch, beginningOf(options, row));
    return batch;
  }

  async step(actions: NdArray, mask?: NdArray<"bool">): Promise<StepBatch<O>> {
    const startMs = this.now();
    const batch = await this.attempt(() => this.env.step(actions, mask));
    const stepMs = this.now() - startMs;
    for (const row of maskedRows(this.numEnvs, mask)) this.take(row, actions, batch, stepMs);
    return batch;
  }

  async render(): Promise<readonly (Frame | undefined)[]> {
    return (await this.env.render?.()) ?? [];
  }

  /** Stops the robot, if the env beneath is one. */
  halt(): void {
    (this.env as { halt?: () => void }).halt?.();
  }

  /** Ends every episode as truncated, waits until all are on disk, closes the env. */
  async close(): Promise<void> {
    await Promise.all(this.open.map((_, row) => this.end(row, { truncated: true, meta: { cut: "close" } })));
    await Promise.all(this.saving);
    await this.env.close();
  }

  private now(): number {
    return (this.options.now ?? (() => performance.now()))();
  }

  /** A lost connection ends the episodes under way; what was recorded of them is kept. */
  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const cut = error instanceof ReverieError ? error.code : String(error);
      await Promise.all(this.open.map((_, row) => this.end(row, { truncated: true, meta: { cut } })));
      throw error;
    }
  }

  private begin(row: number, batch: ResetBatch<O>, beginning: Readonly<Record<string, unknown>>): void {
    const { spec } = this.env;
    const recorded = spec === undefined ? {} : { env: spec.id, kwargs: spec.kwargs ?? {} };
    this.open[row] = this.recorder.begin({
      meta: { ...recorded, ...beginning, ...this.options.meta },
      ...this.bounds,
      observation: observationAt(batch.observations, row),
      facts: observationFacts(batch.infos, row),
    });
  }

  private take(row: number, actions: NdArray, batch: StepBatch<O>, stepMs: number): void {
    const recording = this.open[row];
    if (recording === undefined || batch.valid.data[row] === 0) return;
    const commanded = rowOf(actions, row);
    const executed = batch.infos.executed?.values;
    recording.step({
      reward: batch.rewards.data[row],
      commanded,
      executed: isNdArray(executed) ? rowOf(executed, row) : commanded,
      observation: observationAt(batch.observations, row),
      facts: { stepMs, ...stepFacts(batch.infos, row), ...observationFacts(batch.infos, row) },
    });
    const terminated = batch.terminations.data[row] !== 0;
    const truncated = batch.truncations.data[row] !== 0;
    if (terminated || truncated) this.saving.push(this.end(row, { terminated, truncated }));
  }

  private async end(
    row: number,
    how: { terminated?: boolean; truncated: boolean; meta?: Record<string, unknown> },
  ): Promise<void> {
    const recording = this.open[row];
    this.open[row] = undefined;
    await recording?.end({ terminated: false, ...how });
  }
}

/** What it takes to begin this row's episode again; nothing where its generator ran on. */
function beginningOf({ seed, options }: VectorResetOptions, row: number): Record<string, unknown> {
  const own = typeof seed === "number" ? seed + row : seed?.[row];
  return own === undefined ? {} : { reset: { seed: own, ...(options === undefined ? {} : { options }) } };
}

/** The range that recorded actions are normalized from: the space's own, [-1, 1] where it has none. */
function boundsOf(space: Space): { low: readonly number[]; high: readonly number[] } {
  if (space instanceof Box && space.isBounded()) {
    return { low: Array.from(space.low.data, Number), high: Array.from(space.high.data, Number) };
  }
  const width = space.shape?.reduce((a, b) => a * b, 1) ?? 1;
  return { low: Array.from({ length: width }, () => -1), high: Array.from({ length: width }, () => 1) };
}

function rowOf(array: NdArray, row: number): NdArray {
  const shape = array.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype: array.dtype, shape, data: array.data.subarray(row * size, (row + 1) * size) };
}

/** Arrays of one row under their names; a bare array is a frame or a state, nested names are joined by slashes. */
function observationAt(observations: unknown, row: number, name = ""): Record<string, NdArray> {
  if (isNdArray(observations)) {
    const frame = observations.dtype === "uint8" && observations.shape.length === 4;
    return { [name === "" ? (frame ? "frame" : "state") : name]: rowOf(observations, row) };
  }
  if (typeof observations !== "object" || observations === null) return {};
  const parts = Object.entries(observations).map(([key, value]) =>
    observationAt(value, row, name === "" ? key : `${name}/${key}`),
  );
  return Object.assign({}, ...parts) as Record<string, NdArray>;
}

function numberAt(infos: InfoBatch, name: string, row: number): number | undefined {
  const column = infos[name];
  if (column === undefined || column.mask.data[row] === 0 || !isNdArray(column.values)) return undefined;
  return column.values.shape.length === 1 ? Number(column.values.data[row]) : undefined;
}

/** Numbers among the infos, which describe the step, and the stamp of the observation after it. */
function stepFacts(infos: InfoBatch, row: number): Record<string, number> {
  const entries = Object.keys(infos)
    .filter((name) => name !== "capturedMs")
    .map((name) => [name, numberAt(infos, name, row)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Record<string, number>;
}

function observationFacts(infos: InfoBatch, row: number): Record<string, number> {
  const capturedMs = numberAt(infos, "capturedMs", row);
  return capturedMs === undefined ? {} : { "observation/capturedMs": capturedMs };
}
