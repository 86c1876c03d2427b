/** @file A policy for tests: its action is what it saw, and it can be slow, throw, or die on request. */

import type { InferenceRequest, ServedPolicy } from "../../../src/bridge/inference.ts";
import type { WireMap } from "../../../src/bridge/codec.ts";
import { float32 } from "../../../src/core/ndarray.ts";

/** Options of the test policy. */
export interface EchoOptions {
  /** Blocks its thread this long for every batch. */
  readonly blockMs?: number;
}

/** Answer `{x}` with `actions = [[x, batch size, begins]]`. */
export function makePolicy({ blockMs = 0 }: EchoOptions = {}): ServedPolicy {
  return {
    metadata: { reset_pose: [0.5, 1] },
    infer(requests) {
      if (requests.some(({ observation }) => observation.die === true)) process.exit(3);
      const until = performance.now() + blockMs;
      while (performance.now() < until);
      return requests.map((request) => answer(request, requests.length));
    },
  };
}

function answer({ observation, begins, session }: InferenceRequest, batch: number): WireMap {
  if (observation.throw === true) throw new Error("cannot see");
  const x = observation.nan === true ? Number.NaN : (observation.x as number);
  return { actions: float32([x, batch, Number(begins)], [1, 3]), session };
}

/** No policy at all. */
export function makeBroken(): ServedPolicy {
  throw new Error("no weights");
}
