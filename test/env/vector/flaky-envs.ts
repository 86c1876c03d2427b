/** @file Environments that fail in every way that a worker must survive, found by threads through `envs`. */

import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { Dict } from "../../../src/core/spaces/dict.ts";
import { Discrete } from "../../../src/core/spaces/discrete.ts";
import type { Env, EnvSpec } from "../../../src/env/env.ts";

/** Actions of `Flaky`. */
export const flaky = { go: 0, throw: 1, exit: 2, hang: 3 } as const;

/** Counts its steps; an action makes it throw, end its thread, or never come back. */
export class Flaky implements Env<NdArray<"float32">, number> {
  readonly observationSpace = new Box(0, 100, [1], "float32");
  readonly actionSpace = new Discrete(4);
  readonly metadata = { renderModes: [] };
  readonly renderMode = undefined;
  #steps = 0;

  reset() {
    this.#steps = 0;
    return { observation: float32([0]), info: {} };
  }

  step(action: number) {
    if (action === flaky.throw) throw new Error(`broken after ${this.#steps} steps`);
    if (action === flaky.exit) process.exit(3);
    while (action === flaky.hang) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    this.#steps += 1;
    const info = this.#steps % 2 === 0 ? { even: this.#steps } : {};
    return { observation: float32([this.#steps]), reward: 1, terminated: false, truncated: false, info };
  }

  close(): void {
    this.#steps = 0;
  }
}

/** Dict observations, Dict actions. */
export class Nested implements Env<
  { a: NdArray<"float32">; b: number },
  { x: NdArray<"float32">; y: number }
> {
  readonly observationSpace = new Dict({ a: new Box(-10, 10, [2], "float32"), b: new Discrete(5) });
  readonly actionSpace = new Dict({ x: new Box(-1, 1, [2], "float32"), y: new Discrete(5) });
  readonly metadata = { renderModes: [] };
  readonly renderMode = undefined;

  reset() {
    return { observation: { a: float32([0, 0]), b: 0 }, info: {} };
  }

  step({ x, y }: { x: NdArray<"float32">; y: number }) {
    return {
      observation: { a: float32(x.data), b: y },
      reward: y,
      terminated: false,
      truncated: false,
      info: {},
    };
  }

  close(): void {
    return undefined;
  }
}

/** Cannot be built. */
export function makeBroken(): never {
  throw new Error("no such device");
}

const module = import.meta.url;

/** Specs for worker threads. */
export const envs: readonly EnvSpec[] = [
  { id: "Flaky-v0", module, entryPoint: () => new Flaky() },
  { id: "Nested-v0", module, entryPoint: () => new Nested() },
  { id: "Broken-v0", module, entryPoint: makeBroken },
];
