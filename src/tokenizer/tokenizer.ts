/** @file The tokenizer contracts: frames, or whole clips, to a small grid of latents or tokens and back. */

import type { NdArray } from "../core/ndarray.ts";

/** A frozen tokenizer. Latents are standardized: about zero mean and unit scale over the data it was trained on. */
export interface Tokenizer {
  readonly kind: string;
  readonly frameShape: readonly [number, number, number];
  /** Grid positions per frame. */
  readonly tokens: number;
  /** Numbers per grid position. */
  readonly channels: number;
  /** Identifies weights, config and normalizer; a world model refuses another tokenizer's latents by it. */
  readonly hash: string;
  /** frames uint8 [B, H, W, 3] to latents float32 [B, tokens · channels]; any B (computed in chunks). */
  encode(frames: NdArray<"uint8">): Promise<NdArray<"float32">>;
  /** latents float32 [B, tokens · channels] to frames uint8 [B, H, W, 3]. */
  decode(latents: NdArray<"float32">): Promise<NdArray<"uint8">>;
}

/** How many latents of a clip are computed at a time; the result does not depend on it. */
export interface WindowOptions {
  readonly windowLatents?: number;
}

/**
 * A frozen tokenizer of clips, causal in time. With temporal compression c, T = 1 + k·c frames give 1 + k latent frames:
 * the first frame alone, then one for every c. A latent frame depends on no frame after its own c.
 */
export interface VideoTokenizer {
  readonly kind: "continuous-video" | "discrete-video";
  readonly frameShape: readonly [number, number, number];
  /** Frames per latent frame after the first: 1, 4 or 8. */
  readonly temporal: number;
  /** Pixels per grid position and axis: 8 or 16. */
  readonly spatial: number;
  /** Grid positions per latent frame, row by row. */
  readonly tokens: number;
  /** Numbers per grid position. */
  readonly channels: number;
  readonly hash: string;
  /** frames uint8 [B, T, H, W, 3] to latents float32 [B, 1 + (T − 1)/c, tokens, channels]. @throws INVALID_SHAPE for a bad T */
  encode(frames: NdArray<"uint8">, options?: WindowOptions): Promise<NdArray<"float32">>;
  /** latents float32 [B, K, tokens, channels] to frames uint8 [B, 1 + (K − 1)·c, H, W, 3]. */
  decode(latents: NdArray<"float32">, options?: WindowOptions): Promise<NdArray<"uint8">>;
}

/** A clip tokenizer whose latents are the points of a lattice (finite scalar quantization), each with an id. */
export interface DiscreteVideoTokenizer extends VideoTokenizer {
  readonly kind: "discrete-video";
  /** Steps per channel; their product is `codebookSize`. */
  readonly levels: readonly number[];
  readonly codebookSize: number;
  /** frames uint8 [B, T, H, W, 3] to ids int32 [B, K, tokens] in 0 … codebookSize − 1. */
  tokenize(frames: NdArray<"uint8">, options?: WindowOptions): Promise<NdArray<"int32">>;
  /** ids int32 [B, K, tokens] to frames uint8 [B, T, H, W, 3]. @throws INVALID_ARGUMENT for an id outside of the codebook */
  detokenize(ids: NdArray<"int32">, options?: WindowOptions): Promise<NdArray<"uint8">>;
}
