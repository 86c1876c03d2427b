/** @file ImageEnv: a toy environment of known pixels, the same as the one that `golden.json` was recorded with. */

import type { NdArray } from "../../src/core/ndarray.ts";
import { ndarray } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import { Discrete } from "../../src/core/spaces/discrete.ts";
import type { Env, Snapshot } from "../../src/env/env.ts";

/** Pixel k of episode e at step t is (37 t + 11 k + 5 e) mod 256; ends at step 7 of odd, 9 of even episodes. */
export class ImageEnv implements Env<NdArray<"uint8">, number> {
  readonly observationSpace = new Box(0, 255, [4, 6, 3], "uint8");
  readonly actionSpace = new Discrete(3);
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 10 };
  readonly renderMode = "rgb_array";
  episode = 0;
  t = 0;

  #frame(): NdArray<"uint8"> {
    const pixels = Uint8Array.from({ length: 72 }, (_, k) => (37 * this.t + 11 * k + 5 * this.episode) % 256);
    return ndarray("uint8", [4, 6, 3], pixels);
  }

  reset(options?: { seed?: number }) {
    this.episode = options?.seed === undefined ? this.episode + 1 : 1;
    this.t = 0;
    return { observation: this.#frame(), info: {} };
  }

  step(action: number) {
    this.t += 1;
    const terminated = this.t >= (this.episode % 2 === 1 ? 7 : 9);
    return { observation: this.#frame(), reward: action + this.t, terminated, truncated: false, info: {} };
  }

  render(): NdArray<"uint8"> {
    return this.#frame();
  }

  snapshot(): Snapshot {
    return { kind: "image", state: { episode: this.episode, t: this.t } };
  }

  restore(snapshot: Snapshot): void {
    Object.assign(this, snapshot.state);
  }

  close(): void {
    this.t = -1;
  }
}
