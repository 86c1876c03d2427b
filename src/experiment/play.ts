/** @file A world, or two side by side, driven from the keyboard in a terminal. */

/** What one step of a world shows. */
export interface PlayStep {
  /** uint8 `[H, W, 3]`, row-major. */
  readonly frame: { readonly height: number; readonly width: number; readonly data: Uint8Array };
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
  /** A line beneath the picture: speed, crash probability. */
  readonly note: string;
}

/** A simulator or a dream behind the keyboard. */
export interface PlayWorld {
  readonly title: string;
  /** Name of each action component, in order; each in [-1, 1]. */
  readonly actionNames: readonly string[];
  /** Step of the world's clock. */
  readonly stepSeconds: number;
  reset(seed: number): Promise<PlayStep>;
  step(action: Float32Array): Promise<PlayStep>;
  close(): Promise<void>;
}
