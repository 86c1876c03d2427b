/** @file How environments print: Gymnasium's `SyncVectorEnv(CartPole-v1, numEnvs=3)` and `<ClipReward<CartPole-v1>>`. */

import type { EnvSpec } from "./env.ts";

interface Named {
  toString(): string;
  readonly numEnvs?: number;
  readonly spec?: EnvSpec;
}

/** A class's name as users know it: that of the wrapper function. */
function classOf(env: object): string {
  return env.constructor.name.replace(/Wrapper$/, "");
}

/** An environment in words, also one without a `toString` of its own. */
export function nameOf(env: object): string {
  if (env.toString !== Object.prototype.toString) return (env as Named).toString();
  const { numEnvs, spec } = env as Named;
  if (numEnvs === undefined) return `<${spec?.id ?? classOf(env)}>`;
  return primitiveName(env);
}

/** `Class(id, numEnvs=N)`. */
export function primitiveName(env: object): string {
  const { numEnvs, spec } = env as Named;
  return `${classOf(env)}(${spec === undefined ? "" : `${spec.id}, `}numEnvs=${numEnvs})`;
}

/** `<Wrapper, inner>`, or `<Wrapper<inner>>` around a single environment's name. */
export function wrapperName(wrapper: object, inner: object): string {
  const name = nameOf(inner);
  return name.startsWith("<") && (wrapper as Named).numEnvs === undefined
    ? `<${classOf(wrapper)}${name}>`
    : `<${classOf(wrapper)}, ${name}>`;
}

/** The single environment in a stack of wrappers of a vector of one: `<Outer<Inner<CartPole-v1>>>`. */
export function singleName(vector: object): string {
  const { env, envs } = vector as { readonly env?: object; readonly envs?: readonly object[] };
  if (env !== undefined) return `<${classOf(vector)}${singleName(env)}>`;
  return nameOf(envs?.[0] ?? vector);
}
