/** @file Applying a wrapper to whatever the user holds: a single env, a primitive, or a vector env that resets itself. */

import { fail } from "../../core/errors.ts";
import type { Space } from "../../core/spaces/space.ts";
import { AutoresetVectorEnv, withAutoreset } from "../autoreset.ts";
import type { Env, ObservationBatch, VectorEnv } from "../env.ts";
import { SingleEnv, singleOf } from "../single.ts";
import { SyncVectorEnv } from "../vector/sync.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** A single or a vector environment of any observation and action form. */
export type AnyEnv = Env | VectorEnv<ObservationBatch, unknown>;

/** A vector environment whose batched spaces carry their types. */
export interface TypedVectorEnv<O, A> extends VectorEnv<O, A> {
  readonly observationSpace: Space<O>;
  readonly actionSpace: Space<A>;
  /** Of environments that `makeVec` made: another one in the same state. @throws NOT_SUPPORTED without snapshots */
  fork?(): Promise<TypedVectorEnv<O, A>>;
}

interface AnyVector<O = unknown, A = unknown> {
  readonly numEnvs: number;
  step(actions: A, mask?: never): Promise<{ observations: O }>;
}

/** The kind of `E`, single or vector, with its own observations and actions. */
export type Same<E> =
  E extends AnyVector<infer O, infer A>
    ? TypedVectorEnv<O, A>
    : E extends Env<infer O, infer A>
      ? Env<O, A>
      : never;

/** The kind of `E` with observations `O` (single) or `OB` (batched). */
export type Observing<E, O, OB = O> =
  E extends AnyVector<unknown, infer A>
    ? TypedVectorEnv<OB, A>
    : E extends Env<unknown, infer A>
      ? Env<O, A>
      : never;

/** The kind of `E` with actions `A` (single) or `AB` (batched). */
export type Acting<E, A, AB = A> =
  E extends AnyVector<infer O> ? TypedVectorEnv<O, AB> : E extends Env<infer O> ? Env<O, A> : never;

function isVector(env: object): env is AnyVectorEnv {
  return "numEnvs" in env;
}

type Wrap = (primitive: AnyVectorEnv) => AnyVectorEnv;

/**
 * Put a wrapper of primitives around `env`, and `wrapFork` around its forks: around the primitive inside a vector env that resets itself (its mode is
 * then derived anew), around a single environment as a vector of one.
 * @throws NOT_SUPPORTED for a vector env that resets itself by its own means
 */
export function lift<R>(env: AnyEnv, wrap: Wrap, wrapFork = wrap): R {
  const given: object = env;
  if (given instanceof AutoresetVectorEnv) {
    const { primitive, mode, copies, spec, firstSeed, remake } = given as AutoresetVectorEnv<
      ObservationBatch,
      unknown
    >;
    const again = remake && (async () => lift<VectorEnv>(await remake(), wrapFork));
    return withAutoreset(wrap(primitive), mode, { copy: copies, spec, firstSeed, remake: again }) as R;
  }
  if (given instanceof SingleEnv) return singleOf(wrap(given.vector), given.renderMode) as R;
  if (!isVector(given)) {
    const single = given as Env;
    return singleOf(wrap(new SyncVectorEnv([single])), single.renderMode) as R;
  }
  if ((given.metadata.autoreset ?? "disabled") === "disabled") return wrap(given) as R;
  return fail({
    code: "NOT_SUPPORTED",
    what: `a wrapper around an environment that resets by itself ("${given.metadata.autoreset}")`,
    expected: `an environment made by makeVec or withAutoreset, or a primitive ("disabled")`,
    fix: "wrap the primitive before its autoreset is derived",
  });
}

/** The layers of an environment, outermost first. */
export function layersOf(env: AnyEnv): object[] {
  const layers: object[] = [];
  let layer: unknown = env;
  while (typeof layer === "object" && layer !== null) {
    layers.push(layer);
    if (layer instanceof AutoresetVectorEnv) layer = layer.primitive;
    else if (layer instanceof SingleEnv) layer = layer.vector;
    else if (layer instanceof SyncVectorEnv) layer = layer.envs.length === 1 ? layer.envs[0] : undefined;
    else if (layer instanceof VectorWrapper) layer = layer.env;
    else
      layer = (layer as { unwrapped?: unknown; env?: unknown }).unwrapped ?? (layer as { env?: unknown }).env;
  }
  return layers;
}

/** The environment itself, without any layer around it. */
export function unwrappedOf(env: AnyEnv): object {
  return layersOf(env).at(-1)!;
}

/** Does any layer have the attribute? @source Gymnasium 1.4 `has_wrapper_attr` */
export function hasWrapperAttr(env: AnyEnv, name: string): boolean {
  return layersOf(env).some((layer) => name in layer);
}

/** The attribute of the outermost layer that has it. @throws INVALID_ARGUMENT when none has. @source `get_wrapper_attr` */
export function getWrapperAttr(env: AnyEnv, name: string): unknown {
  const owner = layersOf(env).find((layer) => name in layer) as Record<string, unknown> | undefined;
  if (owner !== undefined) return owner[name];
  return fail({
    code: "INVALID_ARGUMENT",
    what: `no layer of the environment has the attribute "${name}"`,
    expected: layersOf(env)
      .map((layer) => layer.constructor.name)
      .join(" over "),
  });
}

/** Set the attribute on the outermost layer that has it; false when none has. @source Gymnasium `set_wrapper_attr` */
export function setWrapperAttr(env: AnyEnv, name: string, value: unknown): boolean {
  const owner = layersOf(env).find((layer) => name in layer);
  return owner !== undefined && Reflect.set(owner, name, value);
}

/** The wrappers around `env` that have something to keep, by class name (with a count where one occurs again). */
function keepers(env: AnyEnv): Map<string, VectorWrapper> {
  const found = new Map<string, VectorWrapper>();
  for (const layer of layersOf(env)) {
    if (!(layer instanceof VectorWrapper) || layer.state() === undefined) continue;
    let name = layer.constructor.name;
    for (let count = 2; found.has(name); count++) name = `${layer.constructor.name}#${count}`;
    found.set(name, layer);
  }
  return found;
}

/** What the wrappers around `env` want kept in a checkpoint (running statistics and the like), as plain JSON. */
export function saveWrappers(env: AnyEnv): Record<string, unknown> {
  return Object.fromEntries(
    [...keepers(env)].map(([name, wrapper]) => [name, structuredClone(wrapper.state())]),
  );
}

/**
 * Give the wrappers around `env` what `saveWrappers` kept; the environment may differ in its number of rows.
 * @throws CHECKPOINT_MISMATCH when a wrapper with something to keep stands on one side only
 */
export function loadWrappers(env: AnyEnv, saved: Readonly<Record<string, unknown>>): void {
  const found = keepers(env);
  const [have, want] = [[...found.keys()], Object.keys(saved)];
  if (have.toSorted().join() !== want.toSorted().join()) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "the saved wrappers do not fit this environment",
      expected: want.join(", ") || "none",
      got: have.join(", ") || "none",
      fix: "wrap the environment as it was when it was saved",
    });
  }
  for (const [name, wrapper] of found) wrapper.load(structuredClone(saved[name]));
}
