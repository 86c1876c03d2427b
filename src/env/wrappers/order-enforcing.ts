/** @file OrderEnforcing: refuse step and render before the first reset, and everything after close. */

import { fail } from "../../core/errors.ts";
import type { Frame, ResetBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

class OrderEnforcingWrapper extends VectorWrapper {
  readonly #started: Uint8Array;
  #closed = false;

  constructor(env: AnyVectorEnv) {
    super(env);
    this.#started = new Uint8Array(env.numEnvs);
  }

  #check(call: string, mask: Mask | undefined): void {
    const row = this.#started.findIndex(
      (started, i) => started === 0 && (mask === undefined || mask.data[i] !== 0),
    );
    if (!this.#closed && row === -1) return;
    fail({
      code: this.#closed ? "ENV_CLOSED" : "RESET_NEEDED",
      what: this.#closed
        ? `${call} after close()`
        : `${call} of sub-environment ${row} before its first reset()`,
      fix: this.#closed ? "make a new environment" : "call reset({ seed }) first",
    });
  }

  protected override beforeStep(actions: unknown, mask: Mask | undefined): unknown {
    this.#check("step", mask);
    return actions;
  }

  protected override beforeReset(options: VectorResetOptions | undefined): VectorResetOptions | undefined {
    if (this.#closed) this.#check("reset", undefined);
    return options;
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    const mask = options?.mask?.data;
    for (let i = 0; i < this.numEnvs; i++) if (mask === undefined || mask[i] !== 0) this.#started[i] = 1;
    return batch;
  }

  override get render(): ((mask?: Mask) => Promise<readonly (Frame | undefined)[]>) | undefined {
    const render = super.render;
    return render && (async (mask) => (this.#check("render", mask), render(mask)));
  }

  override get renderSync(): ((mask?: Mask) => readonly (Frame | undefined)[]) | undefined {
    const render = super.renderSync;
    return render && ((mask) => (this.#check("render", mask), render(mask)));
  }

  override async close(): Promise<void> {
    this.#closed = true;
    await super.close();
  }

  protected override memory(): unknown {
    return this.#started.slice();
  }

  protected override recall(memory: unknown): void {
    this.#started.set(memory as Uint8Array);
  }
}

/** Refuse `step` and `render` before the first reset, and every call after `close`. @source Gymnasium 1.4 `OrderEnforcing` */
export function OrderEnforcing<E extends AnyEnv>(env: E): Same<E> {
  return lift(env, (inner) => new OrderEnforcingWrapper(inner));
}
