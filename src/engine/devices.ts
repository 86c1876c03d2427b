/** @file Devices a jitted function can run on, and the ONNX Runtime options of each. */

import { availableParallelism } from "node:os";
import { fail, unknownName } from "../core/errors.ts";

const devices = ["cpu", "webgpu", "cuda", "tensorflow"] as const;

/** Where a jitted function runs. */
export type Device = (typeof devices)[number];

/** Device of `REVERIE_DEVICE`, else `cpu`. @throws UNKNOWN_NAME */
export function defaultDevice(): Device {
  const name = process.env.REVERIE_DEVICE ?? "cpu";
  return devices.find((device) => device === name) ?? raise(unknownName("device", name, devices));
}

function raise(error: Error): never {
  throw error;
}

/** Threads within one operator: `REVERIE_THREADS`, else the number of cores. @throws INVALID_ARGUMENT */
export function threadCount(): number {
  const text = process.env.REVERIE_THREADS;
  if (text === undefined || text === "") return availableParallelism();
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "REVERIE_THREADS is not a number of threads",
    expected: "a whole number above 0",
    got: text,
    fix: "unset it to use every core",
  });
}
