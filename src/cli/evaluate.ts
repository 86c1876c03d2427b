/** @file `reverie evaluate`. */

import { evaluateRun } from "../experiment/runner.ts";

/** Judge a run again. */
export async function evaluate(path: string, options: { readonly episodes?: number }): Promise<void> {
  await evaluateRun(path, options);
}
