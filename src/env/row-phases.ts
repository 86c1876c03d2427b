/** @file Where each row of an environment that resets itself stands, and what a step means for it: a step, a reset, or neither. */

import { fail } from "../core/errors.ts";
import { zeros } from "../core/ndarray.ts";
import type { AutoresetMode, StepBatch } from "./env.ts";
import type { Mask } from "./masks.ts";
import { checkMask } from "./masks.ts";

const running = 0;
const ended = 1;
const unstarted = 2;

function refuse(row: number, never: boolean): never {
  return fail({
    code: "RESET_NEEDED",
    what: `step of sub-environment ${row}, ${never ? "which was never reset" : "whose episode has ended"}`,
    expected: never
      ? "reset() before the first step"
      : `reset({ mask }) of ended rows before they are stepped again`,
    fix: never
      ? "call await env.reset({ seed }) first"
      : "call env.reset({ mask }) for it, leave it out with step(actions, mask), or choose another autoreset mode",
  });
}

/** Per row: running, ended (waits for its reset) or unstarted (never reset). */
export class RowPhases {
  readonly #mode: AutoresetMode;
  readonly #phase: Uint8Array;
  /** Rows that the present step steps, and those that it resets. */
  readonly stepMask: Mask;
  readonly resetMask: Mask;
  readonly resetOptions: { readonly mask: Mask };
  wantsStep = false;
  wantsReset = false;
  /** Are there rows that are not stepped? */
  masked = false;

  constructor(numEnvs: number, mode: AutoresetMode) {
    this.#mode = mode;
    this.#phase = new Uint8Array(numEnvs).fill(unstarted);
    this.stepMask = zeros("bool", [numEnvs]);
    this.resetMask = zeros("bool", [numEnvs]);
    this.resetOptions = { mask: this.resetMask };
  }

  /** Decide which rows to step and, under NEXT_STEP, which to reset instead. @throws RESET_NEEDED, INVALID_SHAPE */
  plan(mask: Mask | undefined): void {
    const phase = this.#phase;
    checkMask(mask, phase.length);
    const step = this.stepMask.data;
    const reset = this.resetMask.data;
    let steps = 0;
    let resets = 0;
    for (let i = 0; i < phase.length; i++) {
      const chosen = mask === undefined || mask.data[i] !== 0;
      if (chosen && phase[i] !== running && (phase[i] === unstarted || this.#mode !== "next-step"))
        refuse(i, phase[i] === unstarted);
      step[i] = chosen && phase[i] === running ? 1 : 0;
      reset[i] = chosen && phase[i] === ended ? 1 : 0;
      steps += step[i];
      resets += reset[i];
    }
    this.wantsStep = steps > 0;
    this.wantsReset = resets > 0;
    this.masked = steps < phase.length;
  }

  /** Note which stepped rows have ended; under SAME_STEP they want a reset in this very step. */
  noteEnds({ terminations, truncations }: Pick<StepBatch, "terminations" | "truncations">): void {
    const step = this.stepMask.data;
    for (let i = 0; i < step.length; i++) {
      if (step[i] === 0 || (terminations.data[i] | truncations.data[i]) === 0) continue;
      this.#phase[i] = ended;
      if (this.#mode !== "same-step") continue;
      this.resetMask.data[i] = 1;
      this.wantsReset = true;
    }
  }

  /** The rows in `mask` (all when absent) were reset. */
  noteReset(mask: Mask | undefined): void {
    for (let i = 0; i < this.#phase.length; i++)
      if (mask === undefined || mask.data[i] !== 0) this.#phase[i] = running;
  }

  save(): Uint8Array {
    return this.#phase.slice();
  }

  load(phase: Uint8Array): void {
    this.#phase.set(phase);
  }
}
