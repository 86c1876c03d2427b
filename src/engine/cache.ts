/** @file Optimized graphs on disk: loading one takes a fifth of the time that ONNX Runtime needs to optimize it again. */

import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { cpus, homedir } from "node:os";
import { join } from "node:path";

/** Smaller graphs (about a thousand nodes) are compiled in less time than a person notices. */
const MIN_BYTES = 48 * 1024;

/** Beyond this many files the oldest go. */
const MAX_FILES = 200;

/** The place of one graph in the cache. */
export interface CacheEntry {
  /** The optimized graph in ONNX Runtime's own format; undefined where there is none. */
  read(): Uint8Array | undefined;
  /** Where ONNX Runtime is to write the optimized graph, before `commit`. */
  readonly partial: string;
  /** Make what was written at `partial` visible, at once and whole. */
  commit(): void;
  /** Forget what is there; also what lies at `partial`. */
  drop(): void;
}

/** `REVERIE_CACHE`, else the user's cache folder; undefined when that is "off" or cannot be written. */
function writableFolder(): string | undefined {
  const chosen = process.env.REVERIE_CACHE;
  if (chosen === "off") return undefined;
  const folder = join(
    chosen || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "reverie"),
    "graphs",
  );
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    // A cache is a convenience: a read-only home is no reason to stop.
    return undefined;
  }
}

/** Keep the newest files only. Other processes may be doing the same, so that a file may be gone already. */
function prune(folder: string): void {
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (files.length <= MAX_FILES) return;
  const age = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const byAge = files.map((file) => ({ file, at: age(file) })).sort((a, b) => a.at - b.at);
  for (const { file } of byAge.slice(0, files.length - MAX_FILES)) rmSync(file, { force: true });
}

/** The entry for graph `model`, compiled by runtime `version` on this processor; undefined when caching does not pay. */
export function cacheEntry(model: Uint8Array, version: string): CacheEntry | undefined {
  if (model.length < MIN_BYTES) return undefined;
  const folder = writableFolder();
  if (folder === undefined) return undefined;
  const hash = createHash("sha256").update([version, process.arch, cpus()[0]?.model].join("|")).update(model);
  const file = join(folder, `${hash.digest("hex").slice(0, 40)}.ort`);
  const partial = `${file.slice(0, -4)}.${process.pid}.part.ort`;
  return {
    partial,
    read: () =>
      statSync(file, { throwIfNoEntry: false }) === undefined
        ? undefined
        : new Uint8Array(readFileSync(file)),
    commit: () => {
      renameSync(partial, file);
      prune(folder);
    },
    drop: () => {
      rmSync(file, { force: true });
      rmSync(partial, { force: true });
    },
  };
}
