/** @file What the five classic-control environments share: generator, state, result records, frames, snapshots. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { copyOf, zeros } from "../../core/ndarray.ts";
import type { RngState } from "../../core/rng.ts";
import { Rng } from "../../core/rng.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { Env, EnvMetadata, Frame, Info, Snapshot, StepResult } from "../../env/env.ts";
import type { Canvas } from "../raster.ts";
import { makeCanvas } from "../raster.ts";

/** Keyword arguments that every classic environment takes. */
export interface ClassicOptions {
  /** "rgb_array" or absent; frames can be rendered either way. */
  readonly renderMode?: string;
}

/** An observation: float32 [size]. */
export type ClassicObservation = NdArray<"float32">;

type ResetOptions = { seed?: number; options?: Record<string, unknown> };

/** Nothing to say; shared by every step. */
const noInfo: Info = Object.freeze({});

/** A number from a reset's `options`. @throws INVALID_ARGUMENT when it is none */
export function numberOption(
  options: Record<string, unknown> | undefined,
  name: string,
  otherwise: number,
): number {
  const value = options?.[name] ?? otherwise;
  const number = Number(value);
  if (Number.isNaN(number)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `reset option "${name}" is not a number`,
      expected: `a number such as ${otherwise}`,
      got: JSON.stringify(value),
    });
  }
  return number;
}

/** Bounds `low` and `high` from a reset's `options`. @throws INVALID_ARGUMENT when low > high */
export function boundOptions(
  options: Record<string, unknown> | undefined,
  low: number,
  high: number,
): { low: number; high: number } {
  const bounds = { low: numberOption(options, "low", low), high: numberOption(options, "high", high) };
  if (bounds.low > bounds.high) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "reset options low and high are in the wrong order",
      expected: "low ≤ high",
      got: `low ${bounds.low}, high ${bounds.high}`,
      fix: "swap them",
    });
  }
  return bounds;
}

/** The number of a one-element action. @throws NOT_FINITE for NaN, INVALID_SHAPE for another number of elements */
export function onlyNumber(action: NdArray<"float32" | "float64">): number {
  if (action.data?.length !== 1) {
    fail({
      code: "INVALID_SHAPE",
      what: "this is no action of one number",
      expected: "float32 [1]",
      got: JSON.stringify(action),
    });
  }
  const [value] = action.data;
  if (!Number.isNaN(value)) return value;
  return fail({
    code: "NOT_FINITE",
    what: "the action is NaN",
    fix: "look for the NaN in the policy that chose it",
  });
}

/** The error of a discrete environment for an action that it does not have. */
export function refuseAction(action: unknown, space: Space): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `action ${String(action)} does not belong to the action space`,
    expected: String(space),
    fix: "pass one of its elements, e.g. env.actionSpace.sample()",
  });
}

/**
 * Base of the classic-control environments.
 *
 * A subclass keeps its physics in `state` (float64), sets `reward` and `terminated` in `advance`, and writes its
 * observation in `observe`. @source Gymnasium 1.4 `gymnasium/envs/classic_control`
 */
export abstract class ClassicEnv<A> implements Env<ClassicObservation, A> {
  abstract readonly observationSpace: Space<ClassicObservation>;
  abstract readonly actionSpace: Space<A>;
  abstract readonly metadata: EnvMetadata;
  readonly renderMode: string | undefined;
  /** The physical state; its meaning is the subclass's. */
  readonly state: Float64Array;
  protected reward = 0;
  protected terminated = false;
  #rng: Rng | undefined;
  #bound: StepResult<ClassicObservation> | undefined;
  #canvas: Canvas | undefined;
  readonly #observationSize: number;

  constructor(stateSize: number, observationSize: number, options: ClassicOptions) {
    this.state = new Float64Array(stateSize);
    this.#observationSize = observationSize;
    this.renderMode = options.renderMode;
    if (options.renderMode === undefined || options.renderMode === "rgb_array") return;
    fail({
      code: "NOT_SUPPORTED",
      what: `render mode "${options.renderMode}"`,
      expected: `"rgb_array"`,
      fix: "render frames and show them yourself, e.g. with RecordVideo",
    });
  }

  /** Size of a frame in pixels. */
  protected abstract readonly frameSize: readonly [height: number, width: number];
  /** Draw the initial state from the generator. */
  protected abstract start(rng: Rng, options: Record<string, unknown> | undefined): void;
  /** One step of the physics; sets `state`, `reward` and `terminated`. */
  protected abstract advance(action: A, rng: Rng): void;
  protected abstract observe(out: Float32Array): void;
  protected abstract draw(canvas: Canvas): void;
  /** What belongs to the state besides `state`. */
  protected extraState(): unknown {
    return undefined;
  }
  protected loadExtraState(_extra: unknown): void {}

  reset(options?: ResetOptions): { observation: ClassicObservation; info: Info } {
    if (options?.seed !== undefined || this.#rng === undefined) this.#rng = Rng.fromSeed(options?.seed);
    this.start(this.#rng, options?.options);
    const observation = this.#observation();
    return this.#bound ?? { observation, info: noInfo };
  }

  step(action: A): StepResult<ClassicObservation> {
    if (this.#rng === undefined) {
      fail({
        code: "RESET_NEEDED",
        what: "step() before the first reset()",
        fix: "call env.reset({ seed }) first",
      });
    }
    this.advance(action, this.#rng);
    const { reward, terminated } = this;
    const result = this.#bound;
    if (result === undefined) {
      return { observation: this.#observation(), reward, terminated, truncated: false, info: noInfo };
    }
    this.observe(result.observation.data);
    result.reward = reward;
    result.terminated = terminated;
    result.truncated = false;
    return result;
  }

  #observation(): ClassicObservation {
    const observation = this.#bound?.observation ?? zeros("float32", [this.#observationSize]);
    this.observe(observation.data);
    return observation;
  }

  bind(observation: ClassicObservation): void {
    this.#bound = { observation, reward: 0, terminated: false, truncated: false, info: noInfo };
  }

  /** The present state as a picture, in Gymnasium's geometry and colours; the caller's to keep. */
  render(): Frame | undefined {
    const [height, width] = this.frameSize;
    this.#canvas ??= makeCanvas(width, height);
    this.draw(this.#canvas);
    return copyOf({ dtype: "uint8", shape: [height, width, 3], data: this.#canvas.data });
  }

  snapshot(): Snapshot {
    const { reward, terminated } = this;
    const rng = this.#rng?.state;
    return {
      kind: this.constructor.name,
      state: { state: this.state.slice(), reward, terminated, rng, extra: this.extraState() },
    };
  }

  restore(snapshot: Snapshot): void {
    if (snapshot.kind !== this.constructor.name) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "snapshot of another environment",
        expected: this.constructor.name,
        got: snapshot.kind,
      });
    }
    const saved = snapshot.state as {
      state: Float64Array;
      reward: number;
      terminated: boolean;
      rng?: RngState;
      extra: unknown;
    };
    this.state.set(saved.state);
    this.reward = saved.reward;
    this.terminated = saved.terminated;
    this.#rng = saved.rng === undefined ? undefined : Rng.fromState(saved.rng);
    this.loadExtraState(saved.extra);
    if (this.#bound !== undefined) this.observe(this.#bound.observation.data);
  }

  close(): void {
    this.#canvas = undefined;
  }
}
