/** @file What a lowering receives and returns: one tfjs kernel call, turned into values of the graph. */

import type { Graph, Value } from "../graph.ts";

/** One call of a tfjs kernel during tracing. */
export interface KernelCall {
  readonly graph: Graph;
  /** tfjs's kernel name, e.g. `BatchMatMul`. */
  readonly name: string;
  /** Inputs under tfjs's names; lists under `0`, `1`, … */
  readonly inputs: Readonly<Record<string, Value>>;
  /** Attributes under tfjs's names. */
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** Emits the nodes of one kernel call. */
export type Lowering = (call: KernelCall) => Value | readonly Value[];

/** Lowerings by tfjs kernel name. */
export type KernelTable = Readonly<Record<string, Lowering>>;

/** The inputs of a variadic kernel, in order. */
export function listOf(call: KernelCall): Value[] {
  return Object.keys(call.inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => call.inputs[key]);
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Axes counted from the front, ascending; all of them when none are given. */
export function axesOf(axis: unknown, rank: number): number[] {
  if (axis === undefined || axis === null) return Array.from({ length: rank }, (_, i) => i);
  const list = Array.isArray(axis) ? (axis as number[]) : [axis as number];
  return [...new Set(list.map((a) => axisOf(a, rank)))].sort((a, b) => a - b);
}

/** NumPy's broadcast of two shapes; tfjs has checked that they fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    return x === 1 ? y : x;
  });
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, i) => axis === b[i]);
}
