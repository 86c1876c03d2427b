/** @file Devices a jitted function can run on: names, settings from the environment, and what to do where one is missing. */

import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fail, ReverieError, unknownName } from "../core/errors.ts";

/** Where a jitted function can run. */
export const deviceNames = ["cpu", "webgpu", "cuda", "tensorflow"] as const;

/** `cpu`, `webgpu` and `cuda` are ONNX Runtime's execution providers, `tensorflow` is tfjs on libtensorflow. */
export type Device = (typeof deviceNames)[number];

/** What makes each device work. */
export const remedies: Record<Device, string> = {
  cpu: "reinstall onnxruntime-node for this platform (npm ci)",
  webgpu:
    "install a Vulkan driver for the GPU (Debian: mesa-vulkan-drivers, or NVIDIA's own); to try it without a GPU, set " +
    "VK_ICD_FILENAMES to chromium's vk_swiftshader_icd.json",
  cuda:
    "on Linux x64 with CUDA 12 and cuDNN 9: " +
    "node node_modules/onnxruntime-node/script/install --onnxruntime-node-install=cuda12",
  tensorflow:
    "npm i --no-save --ignore-scripts=false @tensorflow/tfjs-node-gpu@4.22.0 (or @tensorflow/tfjs-node@4.22.0 without a GPU)",
};

/** An ONNX Runtime message without the source location and failed condition that precede it. */
export function withoutLocation(message: string): string {
  const [line] = message.trim().split("\n");
  return line.split(" was false. ").pop() ?? line;
}

/** Error for a device that does not work here; there is no silent fallback to another. */
export function unavailable(device: Device, reason: string, cause?: unknown): ReverieError {
  return new ReverieError({
    code: "DEVICE_UNAVAILABLE",
    what: `device "${device}" does not work here`,
    got: reason,
    fix: `${remedies[device]}; \`reverie doctor\` shows every device`,
    cause,
  });
}

/** The device called `name`. @throws UNKNOWN_NAME */
export function deviceNamed(name: string): Device {
  const device = deviceNames.find((known) => known === name);
  if (device === undefined) throw unknownName("device", name, deviceNames);
  return device;
}

/** Device of `REVERIE_DEVICE`, else `cpu`. @throws UNKNOWN_NAME */
export function defaultDevice(): Device {
  return deviceNamed(process.env.REVERIE_DEVICE || "cpu");
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

/** Packages that bring tfjs's `tensorflow` backend, the one for GPUs first. */
const tensorflowPackages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

/** Path of the installed TensorFlow package: beside this program, or in the user's own project. */
export function findTensorflow(): { readonly name: string; readonly path: string } | undefined {
  const places = [import.meta.url, join(process.cwd(), "package.json")].map((base) => createRequire(base));
  for (const name of tensorflowPackages) {
    for (const place of places) {
      try {
        return { name, path: place.resolve(name) };
      } catch {
        continue;
      }
    }
  }
  return undefined;
}

/** Load the TensorFlow backend; returns its name in tfjs. @throws DEVICE_UNAVAILABLE */
export function loadTensorflow(): string {
  const found = findTensorflow();
  if (found === undefined)
    throw unavailable(
      "tensorflow",
      "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed",
    );
  try {
    createRequire(import.meta.url)(found.path);
  } catch (error) {
    throw unavailable("tensorflow", `${found.name} does not load: ${String(error)}`, error);
  }
  return "tensorflow";
}
