/** @file Everything under the name `spaces`: the ten spaces, callable with or without `new`, and the functions over them. */

import type { IntegerDType } from "../dtypes.ts";
import type { DType } from "../ndarray.ts";
import type { Bound } from "./bounds.ts";
import { Box as BoxSpace } from "./box.ts";
import type { BoxOptions } from "./box.ts";
import { Dict as DictSpace } from "./dict.ts";
import type { SpaceRecord } from "./dict.ts";
import { Discrete as DiscreteSpace } from "./discrete.ts";
import type { DiscreteOptions } from "./discrete.ts";
import { Graph as GraphSpace } from "./graph.ts";
import { MultiBinary as MultiBinarySpace } from "./multi-binary.ts";
import { MultiDiscrete as MultiDiscreteSpace } from "./multi-discrete.ts";
import type { Counts, MultiDiscreteOptions } from "./multi-discrete.ts";
import { OneOf as OneOfSpace } from "./one-of.ts";
import { Sequence as SequenceSpace } from "./sequence.ts";
import type { SequenceOptions } from "./sequence.ts";
import type { Space } from "./space.ts";
import { Text as TextSpace } from "./text.ts";
import type { TextOptions } from "./text.ts";
import { Tuple as TupleSpace } from "./tuple.ts";

export { spaceFromJSON } from "./json.ts";
export {
  batchDifferingSpaces,
  batchSpace,
  concatenate,
  createEmptyArray,
  flatdim,
  flatten,
  flattenSpace,
  isSpaceDtypeShapeEquiv,
  iterate,
  unflatten,
} from "./operations.ts";
export { OpaqueSpace } from "./opaque.ts";
export { BaseSpace } from "./space.ts";
export type { GraphInstance } from "./graph.ts";
export type { BatchOf, Element, SampleOf, Space, SpaceJSON, SpaceSeed } from "./space.ts";

/** A class that may also be called without `new`. */
function callable<C extends new (...args: never[]) => object>(target: C): C {
  return new Proxy(target, { apply: (_, __, args) => Reflect.construct(target, args) as object });
}

type Shape = readonly number[];
/** Options that say a dtype. */
type Typed<O, D> = Omit<O, "dtype"> & { readonly dtype: D };
/** Options that leave the dtype to the default. */
type Untyped<O> = Omit<O, "dtype"> & { readonly dtype?: undefined };
type Seeded = NonNullable<ConstructorParameters<typeof TupleSpace>[1]>;

/** Without a dtype the result is float32; two signatures, for inside another call TypeScript would not infer the default. */
interface BoxMaker {
  <D extends DType>(
    low: Bound,
    high: Bound,
    shape: Shape | undefined,
    dtype: D | Typed<BoxOptions, D>,
  ): BoxSpace<D>;
  (low: Bound, high: Bound, shape?: Shape, options?: Untyped<BoxOptions>): BoxSpace;
  new <D extends DType>(
    low: Bound,
    high: Bound,
    shape: Shape | undefined,
    dtype: D | Typed<BoxOptions, D>,
  ): BoxSpace<D>;
  new (low: Bound, high: Bound, shape?: Shape, options?: Untyped<BoxOptions>): BoxSpace;
  readonly prototype: BoxSpace<DType>;
}

interface DiscreteMaker {
  <D extends IntegerDType>(n: number, options: Typed<DiscreteOptions, D>): DiscreteSpace<D>;
  (n: number, options?: Untyped<DiscreteOptions>): DiscreteSpace;
  new <D extends IntegerDType>(n: number, options: Typed<DiscreteOptions, D>): DiscreteSpace<D>;
  new (n: number, options?: Untyped<DiscreteOptions>): DiscreteSpace;
  readonly prototype: DiscreteSpace<IntegerDType>;
}

interface MultiDiscreteMaker {
  <D extends IntegerDType>(nvec: Counts, options: Typed<MultiDiscreteOptions, D>): MultiDiscreteSpace<D>;
  (nvec: Counts, options?: Untyped<MultiDiscreteOptions>): MultiDiscreteSpace;
  new <D extends IntegerDType>(nvec: Counts, options: Typed<MultiDiscreteOptions, D>): MultiDiscreteSpace<D>;
  new (nvec: Counts, options?: Untyped<MultiDiscreteOptions>): MultiDiscreteSpace;
  readonly prototype: MultiDiscreteSpace<IntegerDType>;
}

/** Arrays between bounds: `Box(low, high, shape, dtype)`. */
export const Box = callable(BoxSpace) as unknown as BoxMaker;
export type Box<D extends DType = "float32"> = BoxSpace<D>;

/** One whole number of n: `Discrete(n, { start })`. */
export const Discrete = callable(DiscreteSpace) as unknown as DiscreteMaker;
export type Discrete<D extends IntegerDType = "int32"> = DiscreteSpace<D>;

/** Whole numbers with a count each: `MultiDiscrete([5, 2, 2])`. */
export const MultiDiscrete = callable(MultiDiscreteSpace) as unknown as MultiDiscreteMaker;
export type MultiDiscrete<D extends IntegerDType = "int32"> = MultiDiscreteSpace<D>;

/** Zeros and ones: `MultiBinary(5)`. */
export const MultiBinary = callable(MultiBinarySpace) as typeof MultiBinarySpace & {
  (n: number | readonly number[], options?: Seeded): MultiBinarySpace;
};
export type MultiBinary = MultiBinarySpace;

/** Strings: `Text(10, { charset: "01" })`. */
export const Text = callable(TextSpace) as typeof TextSpace & {
  (maxLength: number, options?: TextOptions): TextSpace;
};
export type Text = TextSpace;

/** One of each: `Tuple([Discrete(2), Box(0, 1)])`. */
export const Tuple = callable(TupleSpace) as typeof TupleSpace & {
  <const S extends readonly Space[]>(spaces: S, options?: Seeded): TupleSpace<S>;
};
export type Tuple<S extends readonly Space[] = readonly Space[]> = TupleSpace<S>;

/** One of each by name: `Dict({ position: Box(0, 1), door: Discrete(2) })`. */
export const Dict = callable(DictSpace) as typeof DictSpace & {
  <S extends SpaceRecord>(
    spaces: S | ReadonlyMap<string, Space> | readonly (readonly [string, Space])[],
    options?: Seeded,
  ): DictSpace<S>;
};
export type Dict<S extends SpaceRecord = SpaceRecord> = DictSpace<S>;

/** An element of one of several: `OneOf([Discrete(2), Text(3)])`. */
export const OneOf = callable(OneOfSpace) as typeof OneOfSpace & {
  <const S extends readonly Space[]>(spaces: S, options?: Seeded): OneOfSpace<S>;
};
export type OneOf<S extends readonly Space[] = readonly Space[]> = OneOfSpace<S>;

/** Any number of elements: `Sequence(Box(0, 1), { stack: true })`. */
export const Sequence = callable(SequenceSpace) as typeof SequenceSpace & {
  <S extends Space, K extends boolean = false>(space: S, options?: SequenceOptions<K>): SequenceSpace<S, K>;
};
export type Sequence<S extends Space = Space, K extends boolean = false> = SequenceSpace<S, K>;

/** Nodes and edges: `Graph(Box(0, 1, [3]), Discrete(4))`. */
export const Graph = callable(GraphSpace) as typeof GraphSpace & {
  <N extends Space, E extends Space | null>(nodeSpace: N, edgeSpace: E, options?: Seeded): GraphSpace<N, E>;
};
export type Graph<N extends Space = Space, E extends Space | null = Space | null> = GraphSpace<N, E>;
