/** @file Recorded traces of Gymnasium 1.4 on NumPy 2.4 (`golden.json`: arrays as base64 of little-endian numbers). */

import { readFileSync } from "node:fs";

/** One closed-loop run: reset(seed), then `actions`, with a reset (no seed) after every end. */
export interface Trace {
  /** Environment id, then the rule that chose the actions. */
  readonly name: string;
  readonly seed: number;
  readonly actionDtype: "int" | "float32" | "float64";
  readonly actions: string;
  /** float32, resets included. */
  readonly observations: string;
  readonly rewards: string;
  /** Steps that ended so. */
  readonly terminated: readonly number[];
  readonly truncated: readonly number[];
}

interface Golden {
  readonly traces: readonly Trace[];
  /** Observations of reset(seed) for seeds 0 to 99, by id. */
  readonly resets: Readonly<Record<string, string>>;
}

/** The recorded file. */
export const golden = JSON.parse(readFileSync(new URL("./golden.json", import.meta.url), "utf8")) as Golden;

function bytes(text: string): ArrayBuffer {
  const buffer = Buffer.from(text, "base64");
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
}

/** Decode float32 numbers. */
export const float32s = (text: string) => new Float32Array(bytes(text));
/** Decode float64 numbers. */
export const float64s = (text: string) => new Float64Array(bytes(text));
/** Decode int32 numbers. */
export const int32s = (text: string) => new Int32Array(bytes(text));
