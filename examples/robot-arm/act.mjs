/** @file A policy without this framework, onnxruntime alone: `node act.mjs policy.onnx '{"lastAction":[…],"state":[…]}' < pictures`. */

import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

const { lastAction, state } = JSON.parse(process.argv[3]);
const session = await InferenceSession.create(process.argv[2]);
const frames = new Tensor("uint8", readFileSync(0), [2, 64, 64, 3]); // the picture before, and the present one
const row = (values) => new Tensor("float32", Float32Array.from(values), [1, values.length]);
const { o0 } = await session.run({ i0: frames, i1: row(lastAction), i2: row(state) });
process.stdout.write(JSON.stringify(Array.from(o0.data)));
