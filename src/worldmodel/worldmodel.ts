/** @file The world-model contract: pure and batched; state goes in, state comes out. */

import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";

/** What the numbers of an action (or state) vector mean; travels with the checkpoint. */
export interface ActionSpec {
  /** One name per dimension, e.g. ["steer", "accelerate"]. */
  readonly names: readonly string[];
  readonly units: readonly string[];
  readonly kind: "absolute" | "delta";
  /** Physical range that [-1, 1] maps to, per dimension. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly rateHz: number;
}

/** A batch of observations of driving- or arm-like tasks. */
export interface Observation {
  /** uint8 [B, H, W, 3] */
  readonly frame: NdArray<"uint8">;
  /** float32 [B, S] in SI units; S may be 0. */
  readonly state: NdArray<"float32">;
}

/** Windows of observations: frame uint8 [B, T, H, W, 3], state float32 [B, T, S]. */
export type ObservationWindow = Observation;

/** A flat record of batch-first arrays; tiling, masked reset and saving are generic over it. */
export type LatentState = Readonly<Record<string, NdArray<"float32">>>;

/** What one imagined step yields. */
export interface Prediction {
  readonly state: LatentState;
  /** float32 [B] */
  readonly rewards: NdArray<"float32">;
  /** float32 [B]: probability in [0, 1] that the task ended in this step. */
  readonly terminatedProbabilities: NdArray<"float32">;
  /** float32 [B], ≥ 0: disagreement of the ensemble over this step, in units of the latents' standard deviation. */
  readonly uncertainties: NdArray<"float32">;
}

/** An action-conditioned latent world model. Every method is pure: the same arguments give the same result. */
export interface WorldModel {
  readonly kind: string;
  readonly frameShape: readonly [number, number, number];
  readonly stateSize: number;
  readonly actionSpec: ActionSpec;
  /** Frames that the model sees. */
  readonly contextLength: number;
  readonly stepSeconds: number;
  /** Length of the vector that `features` gives to a policy. */
  readonly featureSize: number;
  /** Windows of T ≥ 1 observations (oldest first) and the T − 1 actions between them: float32 [B, T − 1, A]. */
  encode(observations: ObservationWindow, actions: NdArray<"float32">): Promise<LatentState>;
  /** Append what was really observed after `actions` float32 [B, A]: the same state as `encode` of the longer window. */
  observe(state: LatentState, actions: NdArray<"float32">, observation: Observation): Promise<LatentState>;
  /**
   * Imagine one step. `actions` float32 [B, A] in [-1, 1].
   * @param rng one generator for all rows, or one per row: then a row's future depends on no other row
   */
  step(state: LatentState, actions: NdArray<"float32">, rng: Rng | readonly Rng[]): Promise<Prediction>;
  /** What a policy sees of a state: float32 [B, featureSize]. */
  features(state: LatentState): NdArray<"float32">;
  /** Pixels and state vector of the newest frame; learners never need it. */
  decode(state: LatentState): Promise<Observation>;
}

/** A world model that also takes data which its tokenizer has encoded already; what is measured on recorded episodes. */
export interface EncodedWorldModel extends WorldModel {
  /** As `encode`, from what the model's own tokenizer gave: float32 [B, T, N·C] latents, or [B, T, N] token ids. */
  fromLatents(
    latents: NdArray<"float32">,
    states: NdArray<"float32">,
    actions: NdArray<"float32">,
  ): LatentState;
}
