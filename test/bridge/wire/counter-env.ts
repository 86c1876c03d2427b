/** @file A small environment with known arithmetic: it counts, sums its actions, and ends after `length` steps. */

import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray, zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { Dict } from "../../../src/core/spaces/dict.ts";
import type { Env, Frame, Info, StepResult, VectorEnv } from "../../../src/env/env.ts";
import { withAutoreset } from "../../../src/env/autoreset.ts";
import { SyncVectorEnv } from "../../../src/env/vector/sync.ts";
import type { OpenRequest } from "../../../src/bridge/wire/env-messages.ts";

interface Seen {
  readonly frame: NdArray<"uint8">;
  readonly state: NdArray<"float32">;
}

/** Counts steps; observation `{frame uint8 [side, side, 3], state [count, start, sum of actions]}`. */
export class CounterEnv implements Env<Seen, NdArray> {
  readonly observationSpace;
  readonly actionSpace = new Box(-1, 1, [2]);
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 10 };
  readonly renderMode = "rgb_array";
  private readonly length: number;
  private readonly side: number;
  private readonly blockMs: number;
  private rng = Rng.fromSeed(0);
  private count = 0;
  private start = 0;
  private sum = 0;

  constructor({ length, side, blockMs }: { length: number; side: number; blockMs: number }) {
    this.length = length;
    this.side = side;
    this.blockMs = blockMs;
    this.observationSpace = new Dict({
      frame: new Box(0, 255, [side, side, 3], "uint8"),
      state: new Box(-Infinity, Infinity, [3]),
    }) as unknown as Env<Seen, NdArray>["observationSpace"];
  }

  reset({ seed }: { seed?: number; options?: Record<string, unknown> } = {}): {
    observation: Seen;
    info: Info;
  } {
    if (seed !== undefined) this.rng = Rng.fromSeed(seed);
    this.count = 0;
    this.sum = 0;
    this.start = Math.floor(this.rng.random() * 1000);
    return { observation: this.see(), info: { start: this.start } };
  }

  step(action: NdArray): StepResult<Seen> {
    const until = performance.now() + this.blockMs;
    while (performance.now() < until);
    this.count++;
    this.sum += Number(action.data[0]);
    const terminated = this.count === this.length;
    const info: Info = {
      count: this.count,
      note: `step ${this.count}`,
      nested: { even: this.count % 2 === 0 },
    };
    return { observation: this.see(), reward: this.count, terminated, truncated: false, info };
  }

  render(): Frame {
    return this.see().frame;
  }

  close(): void {
    this.count = 0;
  }

  private see(): Seen {
    const frame = zeros("uint8", [this.side, this.side, 3]);
    frame.data.fill(this.count % 256);
    return { frame, state: ndarray("float32", [3], Float32Array.of(this.count, this.start, this.sum)) };
  }
}

/** As a server makes it. `kwargs`: `length` (default 5), `side` (default 4), `blockMs` for a slow step. */
export function makeEnv({ numEnvs, autoreset, kwargs }: OpenRequest): VectorEnv {
  const { length = 5, side = 4, blockMs = 0, fail = false } = kwargs as Record<string, number>;
  if (fail) throw new Error("no such environment");
  const envs = Array.from({ length: numEnvs }, () => new CounterEnv({ length, side, blockMs }));
  const primitive = new SyncVectorEnv(envs);
  return autoreset === "disabled" ? primitive : withAutoreset(primitive, autoreset);
}
