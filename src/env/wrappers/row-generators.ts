/** @file One generator per sub-environment for wrappers that draw, seeded along with the environment. */

import type { RngState } from "../../core/rng.ts";
import { Rng } from "../../core/rng.ts";
import type { VectorResetOptions } from "../env.ts";
import { seedOf } from "../vector/seeds.ts";

/** Generators that follow the resets of an environment: row i with seed s draws from the stream of [s, stream]. */
export class RowGenerators {
  readonly #rngs: Rng[];
  readonly #stream: number;

  /** @param stream tells the wrappers of one stack apart */
  constructor(numEnvs: number, stream: number) {
    this.#rngs = Array.from({ length: numEnvs }, () => Rng.fromSeed());
    this.#stream = stream;
  }

  /** Reseed the rows that this reset seeds. */
  follow(options: VectorResetOptions | undefined): void {
    for (let i = 0; i < this.#rngs.length; i++) {
      const seed = seedOf(options?.seed, i, this.#rngs.length);
      if (seed === undefined || options?.mask?.data[i] === 0) continue;
      this.#rngs[i] = Rng.fromSeed([seed, this.#stream]);
    }
  }

  at(i: number): Rng {
    return this.#rngs[i];
  }

  get state(): RngState[] {
    return this.#rngs.map((rng) => rng.state);
  }

  set state(states: readonly RngState[]) {
    states.forEach((state, i) => (this.#rngs[i] = Rng.fromState(state)));
  }
}
