/** @file The base of wrappers that turn observations into others, whole or one entry of a Dict. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import { cloneBatch, copyRows } from "../batch.ts";
import type { ObservationBatch, ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of wrappers that can work on one entry of a Dict observation. */
export interface KeyOption {
  /** The entry to work on; absent: the whole observation. */
  readonly key?: string;
}

/** The part of the observation space that a wrapper works on. @throws UNKNOWN_NAME / INVALID_ARGUMENT for a wrong key */
export function partOf(env: AnyVectorEnv, key: string | undefined): Space {
  const space = env.singleObservationSpace;
  if (key === undefined) return space;
  if (space instanceof Dict && key in space.spaces) return space.spaces[key];
  return fail({
    code: "INVALID_ARGUMENT",
    what: `the observation has no entry "${key}"`,
    expected: space instanceof Dict ? `one of ${space.keys.join(", ")}` : "a Dict observation",
    got: String(space),
    fix: "name another entry, or leave `key` out to work on the whole observation",
  });
}

/** The space as a Box. @throws INVALID_ARGUMENT when it is none */
export function boxOf(space: Space, wrapper: string): Box<NdArray["dtype"]> {
  if (space instanceof Box) return space as Box<NdArray["dtype"]>;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `${wrapper} of an observation that is not one array`,
    expected: "a Box, or the name of a Dict's entry that is one as `key`",
    got: String(space),
  });
}

function replaced(space: Space, key: string | undefined, part: Space): Space {
  if (key === undefined) return part;
  const dict = space as Dict;
  return new Dict(dict.keys.map((name) => [name, name === key ? part : dict.spaces[name]] as const));
}

/**
 * Base of wrappers that map observations: `transform` writes the rows in `mask` (all when absent) of its own batch.
 * Rows outside the mask keep what was written before, as the primitive's contract asks.
 */
export abstract class ObservationTransform extends VectorWrapper {
  readonly key: string | undefined;
  /** The space of what `transform` writes. */
  protected readonly part: Space;
  protected readonly output: ObservationBatch;
  readonly #record: Record<string, ObservationBatch> = {};
  readonly #reset: ResetBatch = { observations: {}, infos: {} };

  constructor(env: AnyVectorEnv, part: Space, key: string | undefined) {
    super(env, { observation: replaced(env.singleObservationSpace, key, part) });
    this.key = key;
    this.part = part;
    this.output = part.createEmpty(env.numEnvs) as ObservationBatch;
  }

  /** Write the outputs of the rows in `mask`. `begins`: the rows begin an episode. */
  protected abstract transform(input: ObservationBatch, mask: Uint8Array | undefined, begins: boolean): void;

  #apply(observations: ObservationBatch, mask: Mask | undefined, begins: boolean): ObservationBatch {
    const { key } = this;
    if (key === undefined) {
      this.transform(observations, mask?.data, begins);
      return this.output;
    }
    const inner = observations as Readonly<Record<string, ObservationBatch>>;
    this.transform(inner[key], mask?.data, begins);
    for (const name in inner) this.#record[name] = name === key ? this.output : inner[name];
    return this.#record;
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    this.#reset.observations = this.#apply(batch.observations, options?.mask, true);
    this.#reset.infos = batch.infos;
    return this.#reset;
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const out = this.relay(batch);
    out.observations = this.#apply(batch.observations, mask, false);
    return out;
  }

  protected override memory(): unknown {
    return { output: cloneBatch(this.part, this.output), state: this.state() };
  }

  protected override recall(memory: unknown): void {
    const { output, state } = memory as { output: ObservationBatch; state: unknown };
    copyRows(this.part, this.output, output);
    if (state !== undefined) this.load(state);
  }
}

/** Base of wrappers that map one array per row to another, row by row. */
export abstract class ArrayTransform extends ObservationTransform {
  protected readonly from: Box<NdArray["dtype"]>;
  protected readonly fromStride: number;
  protected readonly toStride: number;

  constructor(
    env: AnyVectorEnv,
    from: Box<NdArray["dtype"]>,
    to: Box<NdArray["dtype"]>,
    key: string | undefined,
  ) {
    super(env, to, key);
    this.from = from;
    this.fromStride = from.flatdim();
    this.toStride = to.flatdim();
  }

  /** Write the output of the row that begins at `from` in `input` to `to` in `output`. */
  protected abstract row(input: Float64Array, from: number, output: Float64Array, to: number): void;

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined): void {
    const source = (input as NdArray).data as Float64Array;
    const target = (this.output as NdArray).data as Float64Array;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask[i] !== 0)
        this.row(source, i * this.fromStride, target, i * this.toStride);
    }
  }
}
