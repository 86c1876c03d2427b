/** @file What worker threads are given: a spec that they can build from, and their shares of the rows. */

import { asError, fail } from "../../core/errors.ts";
import type { EnvSpec, Kwargs } from "../env.ts";
import type { WorkerSpec } from "./worker-protocol.ts";

/** Rows [start, end) of each of `workers` nearly equal parts. */
export function partsOf(numEnvs: number, workers: number): [number, number][] {
  return Array.from({ length: workers }, (_, w) => [
    Math.floor((w * numEnvs) / workers),
    Math.floor(((w + 1) * numEnvs) / workers),
  ]);
}

/** What travels to a thread. @throws NOT_SUPPORTED for a spec that threads cannot find, INVALID_ARGUMENT for odd kwargs */
export function workerSpecOf(spec: EnvSpec, kwargs: Kwargs): WorkerSpec {
  const { entryPoint, vectorEntryPoint: _unused, ...rest } = spec;
  const named = typeof entryPoint === "string" ? entryPoint : undefined;
  if (named === undefined && spec.module === undefined) {
    fail({
      code: "NOT_SUPPORTED",
      what: `worker threads cannot build "${spec.id}"`,
      expected: `a spec with \`module\`, the URL of a module that exports it in \`envs\`, or an entry point "module#export"`,
      fix: `add module: import.meta.url where the spec is defined, or use mode: "sync"`,
    });
  }
  try {
    return structuredClone({ spec: { ...rest, entryPoint: named }, kwargs });
  } catch (error) {
    return fail({
      code: "INVALID_ARGUMENT",
      what: "these keyword arguments cannot go to a worker thread",
      expected: "plain data",
      got: asError(error).message,
    });
  }
}
