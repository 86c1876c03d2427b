/** @file Checkpoints: a parameter tree with its config and normalizers in one safetensors file, written atomically and hashed. */

import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ReverieError, fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
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

/** Write bytes so that `path` holds either the old file or the whole new one, whatever happens. @throws STORAGE_FULL, IO_FAILED */
export function writeAtomically(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.partial`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(temporary, "w");
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    const full = (cause as NodeJS.ErrnoException).code === "ENOSPC";
    throw new ReverieError({
      code: full ? "STORAGE_FULL" : "IO_FAILED",
      what: `could not write ${path}`,
      got: String(cause),
      fix: full
        ? "free disk space and resume; what was written before is whole"
        : "check the path and its permissions",
      cause,
    });
  }
}

/** Write `tree` and `meta` to `path`; returns the hash. */
export function saveCheckpoint(path: string, tree: unknown, meta: CheckpointMeta): string {
  const tensors = new Map(flattenTree<NdArray>(tree));
  const metaText = JSON.stringify(meta);
  const hash = hashOf(tensors, metaText);
  writeAtomically(path, encodeSafetensors(tensors, { format: "reverie", meta: metaText, sha256: hash }));
  return hash;
}

/** Read a checkpoint. @throws CORRUPT_FILE when the bytes do not give the hash they carry */
export function loadCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
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
