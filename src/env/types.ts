/** @file Types that flow from spaces: what a batch of elements is, and the vector form of an environment's type. */

import type { NdArray } from "../core/ndarray.ts";
import type { SampleOf, Space } from "../core/spaces/space.ts";
import type { AutoresetVectorEnv } from "./autoreset.ts";
import type { Env, EnvSpec, Kwargs, ObservationBatch } from "./env.ts";
import type { MakeVecOptions } from "./registry.ts";

/** The environment of these spaces: `EnvOf<typeof observationSpace, typeof actionSpace>`. */
export type EnvOf<O extends Space, A extends Space> = Env<SampleOf<O>, SampleOf<A>>;

/** A batch of elements `T`: arrays gain a first axis, numbers become one array, containers keep their form. */
export type Batched<T> = T extends number
  ? NdArray<"int32">
  : T extends NdArray<infer D>
    ? NdArray<D>
    : T extends string | null
      ? readonly T[]
      : T extends readonly unknown[]
        ? { readonly [K in keyof T]: Batched<T[K]> }
        : T extends object
          ? { readonly [K in keyof T]: Batched<T[K]> }
          : ObservationBatch;

/** The vector environment of single environments of type `E`. */
export type VectorOf<E> =
  E extends Env<infer O, infer A>
    ? AutoresetVectorEnv<Batched<O>, unknown extends A ? NdArray : Batched<A>>
    : never;

/** `make` over environments whose types are known by id. */
export interface Make<Known> {
  <Id extends keyof Known & string>(id: Id, kwargs?: Kwargs): Known[Id];
  <E extends Env = Env>(id: string | EnvSpec, kwargs?: Kwargs): E;
}

/** `makeAsync` over environments whose types are known by id. */
export interface MakeAsync<Known> {
  <Id extends keyof Known & string>(id: Id, kwargs?: Kwargs): Promise<Known[Id]>;
  <E extends Env = Env>(id: string | EnvSpec, kwargs?: Kwargs): Promise<E>;
}

/** `makeVec` over environments whose types are known by id. */
export interface MakeVec<Known> {
  <Id extends keyof Known & string>(id: Id, options?: MakeVecOptions): Promise<VectorOf<Known[Id]>>;
  <V = AutoresetVectorEnv>(id: string | EnvSpec, options?: MakeVecOptions): Promise<V>;
}
