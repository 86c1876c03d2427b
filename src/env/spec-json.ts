/** @file Environment specs as JSON, for run folders, the wire and worker threads. */

import { fail } from "../core/errors.ts";
import type { EnvSpec } from "./env.ts";

/** A spec as plain JSON: entry points by name, or left to the module that exports the spec. */
export type EnvSpecJson = Omit<EnvSpec, "entryPoint" | "vectorEntryPoint"> & {
  readonly entryPoint?: string;
  readonly vectorEntryPoint?: string;
};

/** The spec as JSON. @throws NOT_SUPPORTED for an entry point that is a function, when no `module` exports the spec */
export function specToJson(spec: EnvSpec): EnvSpecJson {
  const { entryPoint, vectorEntryPoint, ...rest } = spec;
  const named = { ...rest };
  for (const [name, point] of Object.entries({ entryPoint, vectorEntryPoint })) {
    if (typeof point === "string") Object.assign(named, { [name]: point });
    else if (point !== undefined && spec.module === undefined) {
      fail({
        code: "NOT_SUPPORTED",
        what: `"${spec.id}" cannot be written as JSON: its entry point is a function`,
        expected: `an entry point "module#export", or a \`module\` that exports the spec in \`envs\``,
        fix: "add module: import.meta.url where the spec is defined",
      });
    }
  }
  return named;
}

/** The spec that `specToJson` wrote. @throws INVALID_ARGUMENT when it is none */
export function specFromJson(json: unknown): EnvSpec {
  const spec = json as EnvSpec;
  if (typeof spec === "object" && spec !== null && typeof spec.id === "string") return spec;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "this is no environment spec",
    expected: "a record with an id",
    got: JSON.stringify(json),
  });
}
