/** @file Named parameter trees: plain nested records whose leaves are arrays or tensors. */

import type { NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";

/** A nested record with leaves `L`. */
export type ParamTree<L> = { readonly [name: string]: L | ParamTree<L> };

type Leaf = { readonly shape: readonly number[]; readonly dtype: string };

function isLeaf(value: unknown): value is Leaf {
  return typeof value === "object" && value !== null && "shape" in value && "dtype" in value;
}

/** Leaves by dotted name, in the tree's own order. */
export function flattenTree<L>(tree: unknown, prefix = ""): Map<string, L> {
  const out = new Map<string, L>();
  if (isLeaf(tree)) return out.set(prefix, tree as L);
  for (const [name, value] of Object.entries(tree as Record<string, unknown>)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    for (const [key, leaf] of flattenTree<L>(value, path)) out.set(key, leaf);
  }
  return out;
}

/** Tree of the shape of `like` whose leaves come from `leaves` by dotted name. @throws CHECKPOINT_MISMATCH for a missing name. */
export function unflattenLike<T, L>(like: T, leaves: ReadonlyMap<string, L>, prefix = ""): T {
  if (isLeaf(like)) {
    const leaf = leaves.get(prefix);
    if (leaf !== undefined) return leaf as unknown as T;
    return fail({
      code: "CHECKPOINT_MISMATCH",
      what: `no parameter named "${prefix}"`,
      expected: `one of the names of the model`,
      got: [...leaves.keys()].slice(0, 8).join(", "),
      fix: "load a checkpoint made by the same architecture and config",
    });
  }
  const entries = Object.entries(like as Record<string, unknown>);
  const children = entries.map(([name, value]) => [
    name,
    unflattenLike(value, leaves, prefix === "" ? name : `${prefix}.${name}`),
  ]);
  return (Array.isArray(like) ? children.map(([, child]) => child) : Object.fromEntries(children)) as T;
}

/** Nested record from dotted names; numeric names become array indices only through `unflattenLike`. */
export function unflattenTree<L>(leaves: Iterable<readonly [string, L]>): ParamTree<L> {
  const root: Record<string, unknown> = {};
  for (const [path, leaf] of leaves) {
    const names = path.split(".");
    let node = root;
    for (const name of names.slice(0, -1)) node = (node[name] ??= {}) as Record<string, unknown>;
    node[names[names.length - 1]] = leaf;
  }
  return root as ParamTree<L>;
}

/** Apply `fn` to every leaf; the tree's shape is kept. */
export function mapTree<T>(tree: T, fn: (leaf: never, name: string) => unknown): T {
  const mapped = new Map<string, unknown>();
  for (const [name, leaf] of flattenTree<never>(tree)) mapped.set(name, fn(leaf, name));
  return unflattenLike(tree, mapped);
}

/** Deep copy of a host tree; shares nothing (donated buffers are overwritten by later steps). */
export function copyTree<T>(tree: T): T {
  return mapTree(tree, (leaf: NdArray) => ({
    dtype: leaf.dtype,
    shape: [...leaf.shape],
    data: leaf.data.slice(),
  }));
}
