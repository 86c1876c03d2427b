/** @file The tokenizer contract: frames to a small grid of latent vectors and back. */

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
