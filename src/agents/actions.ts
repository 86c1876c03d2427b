/** @file From a policy's [-1, 1] to a robot's units: the only place where actions are denormalized. */

import { fail } from "../core/errors.ts";
import { zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { ObservationBatch, ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../env/env.ts";

/** What the numbers of a policy's action mean; a checkpoint's `ActionSpec` is one. */
export interface ActionMeaning {
  readonly names: readonly string[];
  readonly kind: "absolute" | "delta";
  /** Physical range that [-1, 1] maps to. */
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Settings of `withNormalizedActions`. */
export interface NormalizedOptions<O> {
  /** Names of the env's own action vector; they must be the policy's, in its order. */
  readonly channelNames?: readonly string[];
  /** For delta actions: the positions float [N, A] that they are added to. */
  readonly positionsOf?: (observations: O) => NdArray;
}

/**
 * `env` with actions float32 [N, A] in [-1, 1]. Actions outside are clipped, and one that is not finite is refused.
 *
 * @throws CHECKPOINT_MISMATCH when names or order differ, INVALID_ARGUMENT for delta actions without `positionsOf`
 */
export function withNormalizedActions<O = ObservationBatch>(
  env: VectorEnv<O, NdArray>,
  meaning: ActionMeaning,
  options: NormalizedOptions<O> = {},
): VectorEnv<O, NdArray<"float32">> {
  return new NormalizedActionEnv(env, meaning, options);
}

class NormalizedActionEnv<O> implements VectorEnv<O, NdArray<"float32">> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: VectorEnv["metadata"];
  private readonly env: VectorEnv<O, NdArray>;
  private readonly meaning: ActionMeaning;
  private readonly options: NormalizedOptions<O>;
  private readonly physical: NdArray<"float32">;
  private observations: O | undefined;

  constructor(env: VectorEnv<O, NdArray>, meaning: ActionMeaning, options: NormalizedOptions<O>) {
    checkMeaning(meaning, options);
    const width = meaning.names.length;
    this.env = env;
    this.meaning = meaning;
    this.options = options;
    this.numEnvs = env.numEnvs;
    this.singleObservationSpace = env.singleObservationSpace;
    this.observationSpace = env.observationSpace;
    this.singleActionSpace = new Box(-1, 1, [width]);
    this.actionSpace = new Box(-1, 1, [env.numEnvs, width]);
    this.metadata = env.metadata;
    this.physical = zeros("float32", [env.numEnvs, width]);
  }

  async reset(options?: VectorResetOptions): Promise<ResetBatch<O>> {
    const batch = await this.env.reset(options);
    this.observations = batch.observations;
    return batch;
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<O>> {
    this.denormalize(actions, mask);
    const batch = await this.env.step(this.physical, mask);
    this.observations = batch.observations;
    return batch;
  }

  async render(): Promise<readonly (NdArray<"uint8"> | undefined)[]> {
    return (await this.env.render?.()) ?? [];
  }

  close(): Promise<void> {
    return this.env.close();
  }

  /** Stops the robot, if the env beneath is one. */
  halt(): void {
    (this.env as { halt?: () => void }).halt?.();
  }

  private denormalize(actions: NdArray<"float32">, mask: NdArray<"bool"> | undefined): void {
    const { names, kind } = this.meaning;
    const width = names.length;
    const base = kind === "delta" ? this.options.positionsOf?.(this.observations as O).data : undefined;
    for (let i = 0; i < this.physical.data.length; i++) {
      const column = i % width;
      if (mask?.data[Math.floor(i / width)] === 0) continue;
      this.physical.data[i] = physicalOf(actions.data[i], column, this.meaning) + Number(base?.[i] ?? 0);
    }
  }
}

/** One number of a policy's action, clipped to [-1, 1], in physical units. @throws NOT_FINITE */
export function physicalOf(value: number, column: number, { names, low, high }: ActionMeaning): number {
  if (!Number.isFinite(value)) {
    fail({
      code: "NOT_FINITE",
      what: `action "${names[column]}" is not finite`,
      got: String(value),
      fix: "look for NaN in the policy's input",
    });
  }
  const share = (Math.min(1, Math.max(-1, value)) + 1) / 2;
  return low[column] + share * (high[column] - low[column]);
}

function checkMeaning<O>(meaning: ActionMeaning, options: NormalizedOptions<O>): void {
  const { names, low, high, kind } = meaning;
  const own = options.channelNames;
  if (own !== undefined && !(own.length === names.length && own.every((name, i) => name === names[i]))) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "the policy's actions are not this robot's",
      expected: `[${own.join(", ")}]`,
      got: `[${names.join(", ")}]`,
      fix: "use a policy that was trained for this robot",
    });
  }
  if (low.length !== names.length || high.length !== names.length) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "an action has one range per name",
      got: `${names.length} names, ${low.length} and ${high.length} bounds`,
    });
  }
  if (kind === "delta" && options.positionsOf === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "delta actions need positions to be added to",
      fix: "pass positionsOf",
    });
  }
}
