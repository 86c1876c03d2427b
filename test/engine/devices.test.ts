/** @file Devices: each that works computes what the CPU computes, and one that does not says why and what to do. */

import "@tensorflow/tfjs-backend-cpu";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { float32, ndarray, scalar } from "../../src/core/ndarray.ts";
import { threadCount } from "../../src/engine/devices.ts";
import { runEagerly } from "../../src/engine/eager.ts";
import { jit, tf, toUint8 } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { probeDevices } from "../../src/engine/probe.ts";
import { describeNeeding } from "../needing.ts";

afterEach(() => vi.unstubAllEnvs());

describe("probing", () => {
  it("tries every device without throwing, and says why one does not work and what to do", async () => {
    vi.stubEnv("VK_ICD_FILENAMES", "/nowhere.json");
    const reports = await probeDevices();
    expect(reports.map((report) => report.name)).toEqual(["cpu", "webgpu", "cuda", "tensorflow"]);
    expect(reports[0]).toMatchObject({ available: true, reason: "" });
    expect(reports[0].detail).toMatch(/threads; ONNX Runtime 1\.30/);
    for (const report of reports.filter((one) => !one.available)) {
      expect(report.reason).toMatch(/; (install|on Linux|npm i)/);
      expect(report.reason).not.toContain("onnxruntime_src");
    }
  });
});

describe("the device option", () => {
  it("refuses an unknown name, from the environment too", () => {
    vi.stubEnv("REVERIE_DEVICE", "webgp");
    expect(() => jit((x: Tensor) => tf.neg(x))).toThrow(/unknown device "webgp"[\s\S]*did you mean "webgpu"/);
  });

  it("does not fall back where a device is missing", async () => {
    const f = jit((x: Tensor) => tf.neg(x), { device: "tensorflow" });
    await expect(f(scalar(1))).rejects.toThrow(/DEVICE_UNAVAILABLE[\s\S]*npm i --no-save/);
  });

  it("takes the number of threads from the environment", () => {
    vi.stubEnv("REVERIE_THREADS", "3");
    expect(threadCount()).toBe(3);
    vi.stubEnv("REVERIE_THREADS", "many");
    expect(() => threadCount()).toThrow(/INVALID_ARGUMENT[\s\S]*got: many/);
  });
});

describe("running op by op on a tfjs backend", () => {
  const body = ({ w, image, flag }: { w: Tensor; image: Tensor; flag: Tensor }) => {
    const loss = (v: Tensor): Tensor => tf.sum(tf.tanh(tf.mul(v, tf.cast(image, "float32"))));
    const slope = tf.grad(loss)(w);
    return {
      slope,
      curve: tf.grad((v: Tensor) => tf.sum(tf.grad(loss)(v)))(w),
      bytes: toUint8(tf.mul(w, 100)),
      flag,
    };
  };
  const input = {
    w: float32([0.1, -0.2, 5]),
    image: ndarray("uint8", [3], Uint8Array.of(1, 2, 3)),
    flag: ndarray("bool", [1], Uint8Array.of(1)),
  };

  it("gives what the compiled graph gives, second derivatives and uint8 included", async () => {
    const eager = runEagerly(body, input, "cpu") as Record<
      string,
      { dtype: string; data: ArrayLike<number> }
    >;
    const compiled = await jit(body)(input);
    for (const key of ["slope", "curve", "bytes", "flag"] as const) {
      expect(eager[key].dtype).toBe(compiled[key].dtype);
      Array.from(eager[key].data).forEach((value, i) =>
        expect(value).toBeCloseTo(Number(compiled[key].data[i]), 5),
      );
    }
  });

  it("leaves no tensors behind", () => {
    runEagerly(body, input, "cpu");
    const { numTensors } = tf.memory();
    runEagerly(body, input, "cpu");
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";
const swiftShader = {
  name: "SwiftShader's Vulkan driver",
  program: "test",
  probe: ["-f", driver],
  packages: ["chromium"],
};

describeNeeding(swiftShader, "WebGPU", () => {
  it("trains like the CPU", { timeout: 120_000 }, () => {
    const script = fileURLToPath(new URL("webgpu-step.ts", import.meta.url));
    const run = spawnSync(process.execPath, ["--import", "tsx", script, "cpu", "webgpu"], {
      env: { ...process.env, VK_ICD_FILENAMES: driver },
      encoding: "utf8",
    });
    expect(run.status, run.stderr).toBe(0);
    const [cpu, webgpu] = JSON.parse(run.stdout) as [number[], number[]];
    expect(cpu[2]).toBeLessThan(cpu[0]);
    cpu.forEach((loss, i) => expect(Math.abs(webgpu[i] - loss)).toBeLessThan(1e-4 * loss));
  });
});
