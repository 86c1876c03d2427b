/** @file RepeatAction: every action is taken several times. */

import { fail } from "../../core/errors.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { MultiStep } from "./multi-step.ts";

/** Options of `RepeatAction`. */
export interface RepeatActionOptions {
  /** How many times, at least 2. */
  readonly numRepeats: number;
}

class RepeatActionWrapper extends MultiStep {
  protected actionsAt(actions: unknown): unknown {
    return actions;
  }
}

/**
 * Take every action `numRepeats` times (fewer when the episode ends): rewards are summed, the rest is of the last step.
 * @throws INVALID_ARGUMENT unless numRepeats is an integer ≥ 2 @source Gymnasium 1.4 `RepeatAction`
 */
export function RepeatAction<E extends AnyEnv>(env: E, options: RepeatActionOptions): Same<E> {
  if (!Number.isInteger(options.numRepeats) || options.numRepeats < 2) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such repetition",
      expected: "numRepeats ≥ 2",
      got: String(options.numRepeats),
    });
  }
  return lift(env, (inner) => new RepeatActionWrapper(inner, options.numRepeats));
}
