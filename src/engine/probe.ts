/** @file Which devices work on this machine, and why the others do not; each is tried in a child process, which may crash. */

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { deviceNames, findTensorflow, remedies, threadCount, withoutLocation } from "./devices.ts";
import type { Device } from "./devices.ts";
import { Graph } from "./graph.ts";

/** What is known of one device. */
export interface DeviceReport {
  readonly name: Device;
  readonly available: boolean;
  /** Empty where available; else what went wrong, and what to do about it. */
  readonly reason: string;
  /** What the device is: model, library and version, threads. */
  readonly detail: string;
}

/** Generous: a software Vulkan driver compiles its first shader in seconds. */
const TIMEOUT_MS = 60_000;

/** Child's program: doubles [1, 2] on ONNX Runtime provider argv[2] with the package at argv[1] and the model on stdin. */
const onnxScript = `
const ort = require(process.argv[1]);
ort.env.logLevel = "fatal";
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", async () => {
  try {
    const options = { executionProviders: [process.argv[2]], logSeverityLevel: 4 };
    const session = await ort.InferenceSession.create(new Uint8Array(Buffer.concat(chunks)), options);
    const out = await session.run({ i0: new ort.Tensor("float32", Float32Array.of(1, 2), [2]) });
    console.log(JSON.stringify({ values: [...out.o0.data], detail: "ONNX Runtime " + ort.env.versions.node }));
  } catch (error) {
    console.log(JSON.stringify({ reason: error.message }));
  }
  process.exit(0);
});`;

/** Child's program: doubles [1, 2] with the tfjs package at argv[1]. */
const tensorflowScript = `
try {
  const tf = require(process.argv[1]);
  const values = [...tf.mul(tf.tensor1d([1, 2]), 2).dataSync()];
  console.log(JSON.stringify({ values, detail: "tfjs " + tf.version_core + ", backend " + tf.getBackend() }));
} catch (error) {
  console.log(JSON.stringify({ reason: error.message }));
}
process.exit(0);`;

interface Answer {
  readonly values?: readonly number[];
  readonly reason?: string;
  readonly detail?: string;
}

function answerOf(text: string, ending: string): Answer {
  for (const line of text.split("\n").reverse()) {
    try {
      if (line.startsWith("{")) return JSON.parse(line) as Answer;
    } catch {
      continue;
    }
  }
  return { reason: `the trial process ended ${ending} without an answer` };
}

/** Run `script` in a Node process of its own and take its last JSON line. Never rejects. */
function ask(script: string, args: readonly string[], stdin: Uint8Array = new Uint8Array()): Promise<Answer> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-e", script, ...args], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: TIMEOUT_MS,
    });
    let text = "";
    child.stdout.on("data", (chunk) => (text += String(chunk)));
    child.on("error", (error) => resolve({ reason: error.message }));
    child.on("close", (code, signal) =>
      resolve(answerOf(text, signal === null ? `with status ${code}` : `by ${signal}`)),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
  });
}

function doublingModel(): Uint8Array {
  const graph = new Graph("any");
  const x = graph.input({ dtype: "float32", shape: [2] });
  return graph.encode("probe", [graph.op("Add", [x, x], x)]);
}

function report(name: Device, answer: Answer, about: string): DeviceReport {
  const right = answer.values?.join() === "2,4";
  const reason = answer.reason ?? `wrong result: 2 · [1, 2] gave [${String(answer.values)}]`;
  const detail = [about, answer.detail].filter(Boolean).join("; ");
  return {
    name,
    available: right,
    reason: right ? "" : `${withoutLocation(reason)}; ${remedies[name]}`,
    detail,
  };
}

async function probe(name: Device): Promise<DeviceReport> {
  if (name === "tensorflow") {
    const found = findTensorflow();
    const missing = { reason: "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed" };
    return report(
      name,
      found === undefined ? missing : await ask(tensorflowScript, [found.path]),
      found?.name ?? "",
    );
  }
  const runtime = createRequire(import.meta.url).resolve("onnxruntime-node");
  const about =
    name === "cpu" ? `${cpus()[0]?.model.trim() ?? "unknown model"}, ${threadCount()} threads` : "";
  return report(name, await ask(onnxScript, [runtime, name], doublingModel()), about);
}

/** Try every device, each in a child process. Never throws, and a driver that crashes is a reason, not an end. */
export function probeDevices(): Promise<DeviceReport[]> {
  return Promise.all(deviceNames.map(probe));
}
