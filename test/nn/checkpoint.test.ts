/** @file Checkpoints: safetensors bytes, hashes, refusals, and atomic writing. */

import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, type NdArray } from "../../src/core/ndarray.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../src/nn/checkpoint.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/nn/safetensors.ts";
import { flattenTree } from "../../src/nn/tree.ts";

const folder = (): string => mkdtempSync(join(tmpdir(), "reverie-checkpoint-"));
const tree = { layer: { weight: float32([1, 2, 3, 4], [2, 2]), bias: float32([5, 6]) } };

describe("safetensors", () => {
  it("gives back every dtype, shape and value", () => {
    const tensors = new Map<string, NdArray>([
      ["b", { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ["a", { dtype: "float64", shape: [1, 2], data: Float64Array.of(0.1, -2) }],
      ["c", { dtype: "int64", shape: [], data: BigInt64Array.of(-7n) }],
      ["d", { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) }],
    ]);
    const { tensors: read, metadata } = decodeSafetensors(encodeSafetensors(tensors, { note: "é" }), "x");
    expect(metadata).toEqual({ note: "é" });
    for (const [name, array] of tensors) expect(read.get(name)).toEqual(array);
  });

  it("starts with a little-endian header length and aligns the tensors to 8 bytes", () => {
    const bytes = encodeSafetensors(new Map([["w", float32([1])]]), {});
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))).w).toEqual({
      dtype: "F32",
      shape: [1],
      data_offsets: [0, 4],
    });
  });

  it.each([
    ["cut short", (bytes: Uint8Array) => bytes.slice(0, bytes.length - 1)],
    ["with trailing bytes", (bytes: Uint8Array) => Uint8Array.from([...bytes, 0])],
    ["with a header that is too long", (bytes: Uint8Array) => bytes.fill(255, 0, 7)],
    ["empty", () => new Uint8Array(0)],
  ])("names a file that is %s", (_what, damage) => {
    const bytes = damage(encodeSafetensors(new Map([["w", float32([1, 2])]]), {}));
    expect(() => decodeSafetensors(bytes, "model.safetensors")).toThrow(/CORRUPT_FILE.*model\.safetensors/);
  });
});

describe("checkpoints", () => {
  it("keep parameters, facts and a hash that depends on both", () => {
    const path = join(folder(), "a.safetensors");
    const hash = saveCheckpoint(path, tree, { config: { dim: 2 } });
    const loaded = loadCheckpoint(path);
    expect(loaded.hash).toBe(hash);
    expect(loaded.meta).toEqual({ config: { dim: 2 } });
    expect(restoreParams(tree, loaded.tensors, path)).toEqual(tree);
    expect(saveCheckpoint(path, tree, { config: { dim: 3 } })).not.toBe(hash);
  });

  it("refuse a file whose numbers were changed", () => {
    const path = join(folder(), "a.safetensors");
    saveCheckpoint(path, tree, {});
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
    expect(() => loadCheckpoint(path)).toThrow(/CORRUPT_FILE/);
  });

  it("refuse another architecture, naming the parameter", () => {
    const path = join(folder(), "a.safetensors");
    saveCheckpoint(path, tree, {});
    const { tensors } = loadCheckpoint(path);
    const wider = { layer: { weight: float32([1, 2], [1, 2]), bias: float32([5, 6]) } };
    expect(() => restoreParams(wider, tensors, path)).toThrow(/layer\.weight.*\n.*\[1, 2\]/);
    expect(() => restoreParams({ other: float32([1]) }, tensors, path)).toThrow(/no parameter named "other"/);
  });

  it("leave the old file whole when a write fails", () => {
    const dir = folder();
    const path = join(dir, "a.safetensors");
    saveCheckpoint(path, tree, {});
    const broken = { layer: { weight: { dtype: "float32", shape: [4], data: new Float32Array(2) } } };
    expect(() => saveCheckpoint(join(dir, "a.safetensors", "inside"), broken, {})).toThrow(
      /IO_FAILED|RangeError/,
    );
    expect(flattenTree(loadCheckpoint(path).tensors).size).toBe(2);
    expect(readdirSync(dir)).toEqual(["a.safetensors"]);
  });
});
