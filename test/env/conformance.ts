/** @file The conformance suite: every law of the vector contract, for any kind of environment. */

import { describe, expect, test } from "vitest";
import type { CheckVectorOptions } from "../../src/env/check.ts";
import { checkVectorEnv } from "../../src/env/check.ts";
import type { ObservationBatch, VectorEnv } from "../../src/env/env.ts";

/** What the suite needs to know besides the environment. */
export interface ConformanceOptions extends CheckVectorOptions {
  /** Warnings that are right for this environment. */
  readonly warnings?: readonly RegExp[];
  /** Laws that this environment cannot be held to. */
  readonly skipped?: readonly RegExp[];
}

/**
 * Hold a kind of environment to the contract. `make` gives a fresh primitive of at least 2 sub-environments whose
 * episodes end within `steps` (default 60).
 */
export function conforms(
  name: string,
  make: () => Promise<VectorEnv<ObservationBatch, never>> | VectorEnv<ObservationBatch, never>,
  options: ConformanceOptions = {},
): void {
  describe(`${name} keeps the contract of vector environments`, () => {
    test("every law holds, as a primitive and in all three autoreset modes", async () => {
      const result = await checkVectorEnv(await make(), options);
      const unexpected = (lines: readonly string[], known: readonly RegExp[] = []) =>
        lines.filter((line) => !known.some((pattern) => pattern.test(line)));
      expect(unexpected(result.warnings, options.warnings)).toEqual([]);
      expect(unexpected(result.skipped, options.skipped)).toEqual([]);
    });
  });
}
