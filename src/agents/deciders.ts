/** @file Where the next action comes from: a policy asked at every step, or chunks computed while earlier ones play. */

import { fail } from "../core/errors.ts";
import { copyOf, isNdArray, ndarray } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { ObservationBatch } from "../env/env.ts";
import type { ActOptions, Policy } from "../policy/policy.ts";
import { ChunkSchedule } from "./chunks.ts";
import type { Overlap } from "./chunks.ts";

/** A policy that plans several steps at once. */
export interface ChunkPolicy<O = ObservationBatch> {
  /** Actions float32 [1, H, A] in [-1, 1] for this step and the H − 1 after it. */
  actChunk(
    observations: O,
    begins: NdArray<"bool">,
    options?: ActOptions,
  ): Promise<{ actions: NdArray<"float32"> }>;
}

/** How chunks are played. */
export interface ChunkOptions {
  /** How a newer chunk is merged with the one in play. Default "weighted": 0.7 newer, 0.3 older. */
  readonly overlap?: Overlap;
  /** Ask for the next chunk when this share of the last one is left. Default 0.5. */
  readonly threshold?: number;
  /** When nothing is planned: wait for the policy (the robot's dead-man bounds how long), or repeat the last action. */
  readonly underrun?: "wait" | "hold";
}

/** What a decider reports. */
export type DeciderEvent =
  | {
      readonly type: "chunk";
      readonly step: number;
      readonly trimmed: number;
      readonly blended: number;
      readonly inferMs: number;
    }
  | { readonly type: "underrun"; readonly step: number };

/** Source of actions. `step` counts the steps taken since the episode began. */
export interface Decider<O> {
  /** The action float32 [N, A] of `step`, whose observation is `observations`. */
  decide(observations: O, begins: NdArray<"bool">, step: number): Promise<NdArray<"float32">>;
}

/** Ask the policy at every step and wait for it. */
export function makeLockstep<O>(policy: Policy<O>, options: ActOptions): Decider<O> {
  return {
    decide: async (observations, begins) => (await policy.act(observations, begins, options)).actions,
  };
}

/** Settings of `makeChunked`. */
export interface ChunkedOptions extends ChunkOptions {
  readonly act: ActOptions;
  readonly now: () => number;
  readonly report: (event: DeciderEvent) => void;
}

class ChunkedDecider<O> implements Decider<O> {
  private readonly policy: ChunkPolicy<O>;
  private readonly options: ChunkedOptions;
  private schedule: ChunkSchedule | undefined;
  private pending: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;
  private episode = 0;
  private nextStep = 0;
  private last: Float32Array | undefined;

  constructor(policy: ChunkPolicy<O>, options: ChunkedOptions) {
    this.policy = policy;
    this.options = options;
  }

  async decide(observations: O, begins: NdArray<"bool">, step: number): Promise<NdArray<"float32">> {
    if (begins.data[0] !== 0) this.begin();
    this.nextStep = step;
    this.raise();
    const { threshold = 0.5 } = this.options;
    if (this.pending === undefined && (this.schedule?.isLow(step, threshold) ?? true))
      this.infer(observations, begins, step);
    for (;;) {
      const row = this.schedule?.take(step);
      if (row !== undefined) return this.play(row);
      if (this.pending === undefined) this.infer(observations, begins, step);
      const held = await this.underrun(step);
      if (held !== undefined) return this.play(held);
    }
  }

  private begin(): void {
    this.episode += 1;
    this.schedule?.clear();
    this.pending = undefined;
    this.last = undefined;
  }

  private play(row: Float32Array): NdArray<"float32"> {
    this.last = row;
    return ndarray("float32", [1, row.length], row);
  }

  private async underrun(step: number): Promise<Float32Array | undefined> {
    if (step > 0) this.options.report({ type: "underrun", step });
    if (this.options.underrun === "hold" && this.last !== undefined) return this.last;
    await this.pending;
    this.raise();
    return undefined;
  }

  private infer(observations: O, begins: NdArray<"bool">, step: number): void {
    const { episode } = this;
    const startMs = this.options.now();
    // The env overwrites its arrays at the next step, while this chunk is being computed.
    const asked = this.policy.actChunk(copyTree(observations), copyOf(begins), this.options.act);
    const pending = asked.then(
      ({ actions }) => {
        if (episode === this.episode) this.merge(actions, step, this.options.now() - startMs);
      },
      (error: unknown) => {
        if (episode === this.episode) this.failure = { error };
      },
    );
    this.pending = pending.then(() => {
      if (episode === this.episode) this.pending = undefined;
    });
  }

  private merge(actions: NdArray<"float32">, step: number, inferMs: number): void {
    const [rows, , width] = actions.shape;
    if (actions.shape.length !== 3 || rows !== 1) {
      fail({
        code: "INVALID_SHAPE",
        what: "a chunk policy plans for one robot",
        expected: "[1, H, A]",
        got: `[${actions.shape.join(", ")}]`,
      });
    }
    this.schedule ??= new ChunkSchedule(width, this.options.overlap);
    const { trimmed, blended } = this.schedule.merge(actions.data, step, this.nextStep);
    this.options.report({ type: "chunk", step, trimmed, blended, inferMs });
  }

  private raise(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}

/** Compute chunks in the background and play them; for one robot. */
export function makeChunked<O>(policy: ChunkPolicy<O>, options: ChunkedOptions): Decider<O> {
  return new ChunkedDecider(policy, options);
}

/** A copy of arrays in any nesting of lists and records. */
export function copyTree<T>(tree: T): T {
  if (isNdArray(tree)) return copyOf(tree) as T;
  if (Array.isArray(tree)) return tree.map(copyTree) as T;
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([name, value]) => [name, copyTree(value as unknown)]),
  ) as T;
}
