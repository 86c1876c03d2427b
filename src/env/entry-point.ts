/** @file Entry points that are imported lazily: "module#export", and specs that a module exports in `envs`. */

import { asError, fail, unknownName } from "../core/errors.ts";
import type { EnvSpec } from "./env.ts";

/** Import a module by URL or name; TypeScript also from the built package, where `tsx` is installed. */
async function importModule(specifier: string): Promise<Record<string, unknown>> {
  if (specifier.endsWith(".ts") && import.meta.url.endsWith(".js")) {
    const loader = "tsx/esm/api";
    const { register } = (await import(loader)) as { register: () => void };
    register();
  }
  return (await import(specifier)) as Record<string, unknown>;
}

async function load(specifier: string, id: string): Promise<Record<string, unknown>> {
  try {
    return await importModule(specifier);
  } catch (error) {
    return fail({
      code: "INVALID_ARGUMENT",
      what: `the module of environment "${id}" cannot be imported`,
      expected: "a package, or the URL of a file, such as file:///home/me/envs.js",
      got: `${specifier}: ${asError(error).message}`,
      fix: "write new URL('./file.ts', import.meta.url).href for a file of your own",
      cause: error,
    });
  }
}

/** The maker that an entry point names. @throws INVALID_ARGUMENT when it names no module, or no function in it */
export async function loadEntryPoint<M>(entryPoint: M | string, id: string): Promise<M> {
  if (typeof entryPoint !== "string") return entryPoint;
  const cut = entryPoint.lastIndexOf("#");
  if (cut < 1 || cut === entryPoint.length - 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `the entry point of "${id}" names no export`,
      expected: `"module#export", e.g. "my-envs#makeReach"`,
      got: entryPoint,
    });
  }
  const [module, name] = [entryPoint.slice(0, cut), entryPoint.slice(cut + 1)];
  const loaded = await load(module, id);
  const maker = loaded[name];
  if (typeof maker !== "function") {
    fail({
      code: "INVALID_ARGUMENT",
      what: `entry point of "${id}" is not a function`,
      expected: `module ${module} to export a function ${name}`,
      got: `exports ${Object.keys(loaded).join(", ")}`,
      fix: `write it as "module#export"`,
    });
  }
  return maker as M;
}

/** The spec with the entry points of `known`, where it has none itself. */
export function borrowEntryPoints(spec: EnvSpec, known: EnvSpec | undefined): EnvSpec {
  if (known === undefined || spec.entryPoint !== undefined || spec.vectorEntryPoint !== undefined)
    return spec;
  return { ...spec, entryPoint: known.entryPoint, vectorEntryPoint: known.vectorEntryPoint };
}

/**
 * A spec with its entry points, looked up in the module that it names where it has none (a spec that was JSON).
 * @throws UNKNOWN_NAME when there is no module, or its `envs` have no such id
 */
export async function withEntryPoints(spec: EnvSpec, known: readonly string[] = []): Promise<EnvSpec> {
  if (spec.entryPoint !== undefined || spec.vectorEntryPoint !== undefined) return spec;
  if (spec.module === undefined) throw unknownName("environment", spec.id, known);
  const { envs } = (await load(spec.module, spec.id)) as { envs?: readonly EnvSpec[] };
  const found = envs?.find((candidate) => candidate.id === spec.id);
  if (found !== undefined) return borrowEntryPoints(spec, found);
  return fail({
    code: "UNKNOWN_NAME",
    what: `no spec of "${spec.id}" in its module`,
    expected: `module ${spec.module} to export \`envs\`, a list with this id`,
    fix: "export the specs from the module that the spec's `module` names",
  });
}
