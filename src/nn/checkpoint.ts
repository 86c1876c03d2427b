/** @file Checkpoints: a parameter tree with its config and normalizers in one safetensors file, written atomically and hashed. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { failStorage, writeAtomicallySync } from "../core/storage.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";
import { flattenTree, unflattenLike, unflattenTree, type ParamTree } from "./tree.ts";

/** What a checkpoint holds besides tensors: JSON-able facts that loading checks. */
export type CheckpointMeta = Readonly<Record<string, unknown>>;

/** A loaded checkpoint. `hash` identifies tensors and meta together. */
export interface Checkpoint {
  readonly tensors: ParamTree<NdArray>;
  readonly meta: CheckpointMeta;
  readonly hash: string;
}

/** Write `tree` and `meta` to `path`; returns the hash. */
export function saveCheckpoint(path: string, tree: unknown, meta: CheckpointMeta): string {
  const tensors = new Map(flattenTree<NdArray>(tree));
  const metaText = JSON.stringify(meta);
  const hash = hashOf(tensors, metaText);
  writeAtomicallySync(path, encodeSafetensors(tensors, { format: "reverie", meta: metaText, sha256: hash }));
  return hash;
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    return failStorage(path, cause);
  }
}

/** Read a checkpoint. @throws IO_FAILED; CORRUPT_FILE when the bytes do not give the hash they carry */
export function loadCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(readBytes(path), path);
  const hash = hashOf(tensors, metadata.meta ?? "{}");
  if (metadata.sha256 !== undefined && metadata.sha256 !== hash) {
    fail({
      code: "CORRUPT_FILE",
      what: `${path} was changed after it was written`,
      expected: `sha256 ${metadata.sha256}`,
      got: hash,
      fix: "restore the file from a backup or train again",
    });
  }
  return { tensors: unflattenTree(tensors), meta: JSON.parse(metadata.meta ?? "{}") as CheckpointMeta, hash };
}

/** The checkpoint's tensors in the shape of `like`. @throws CHECKPOINT_MISMATCH for a missing name or another shape */
export function restoreParams<T>(like: T, tensors: ParamTree<NdArray>, path: string): T {
  const leaves = flattenTree<NdArray>(tensors);
  const restored = unflattenLike(like, leaves);
  for (const [name, expected] of flattenTree<NdArray>(like)) {
    const got = leaves.get(name) as NdArray;
    if (got.shape.join() === expected.shape.join()) continue;
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path}: parameter "${name}" has another shape`,
      expected: `[${expected.shape.join(", ")}]`,
      got: `[${got.shape.join(", ")}]`,
      fix: "load it with the config that it was trained with",
    });
  }
  return restored;
}

function hashOf(tensors: ReadonlyMap<string, NdArray>, metaText: string): string {
  const hash = createHash("sha256").update(metaText);
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, data } = tensors.get(name) as NdArray;
    hash
      .update(`${name}|${dtype}|${shape.join()}`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
