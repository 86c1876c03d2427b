/** @file Trees of arrays: nested records and lists with tensors or host arrays at the leaves, flattened in a fixed order. */

import { fail } from "../core/errors.ts";

/** Nested lists and records with leaves `L`. */
export type Tree<L> = L | readonly Tree<L>[] | { readonly [key: string]: Tree<L> };

/** A leaf with the names that lead to it, e.g. `params.block0.query`. */
export interface Leaf<L> {
  readonly path: string;
  readonly value: L;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const join = (path: string, key: string | number): string => (path === "" ? String(key) : `${path}.${key}`);

function visit<L>(tree: unknown, path: string, isLeaf: (value: unknown) => value is L, out: Leaf<L>[]): void {
  if (isLeaf(tree)) out.push({ path, value: tree });
  else if (Array.isArray(tree)) tree.forEach((child, i) => visit(child, join(path, i), isLeaf, out));
  else if (isRecord(tree))
    for (const key of Object.keys(tree).sort()) visit(tree[key], join(path, key), isLeaf, out);
  else if (tree !== undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `a jitted function takes and returns trees of arrays, but "${path || "(root)"}" is none`,
      expected: "arrays in plain records and lists (undefined is passed over)",
      got:
        tree === null
          ? "null"
          : typeof tree === "object"
            ? (tree.constructor?.name ?? "object")
            : typeof tree,
      fix: "wrap numbers with scalar(x) from core/ndarray.ts, and close over settings instead of passing them",
    });
  }
}

/** Leaves in a fixed order: lists by index, records by sorted key; `undefined` is passed over. @throws INVALID_ARGUMENT */
export function flatten<L>(tree: unknown, isLeaf: (value: unknown) => value is L): Leaf<L>[] {
  const out: Leaf<L>[] = [];
  visit(tree, "", isLeaf, out);
  return out;
}

/** A tree of the same form; `leaves` come in `flatten`'s order. Keys keep the order of `tree`. */
export function rebuild<L>(
  tree: unknown,
  isLeaf: (value: unknown) => value is L,
  leaves: readonly unknown[],
): unknown {
  let next = 0;
  const build = (node: unknown): unknown => {
    if (isLeaf(node)) return leaves[next++];
    if (Array.isArray(node)) return node.map(build);
    if (!isRecord(node)) return undefined;
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(node)) out[key] = undefined;
    for (const key of Object.keys(node).sort()) out[key] = build(node[key]);
    return out;
  };
  return build(tree);
}
