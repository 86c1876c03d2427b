/** @file A process that records 5 × 5 frames to a folder until it is killed. */

import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { openRecorder } from "../../../src/bridge/recorder.ts";

const [dir] = process.argv.slice(2);
const recorder = await openRecorder(dir);
const observation = (step: number) => ({
  frame: ndarray("uint8", [5, 5, 3], new Uint8Array(75).fill(step % 256)),
  state: float32([step, 0, 1]),
});
const finished = recorder.begin({ id: "finished", low: [0], high: [2], observation: observation(0) });
finished.step({
  reward: 1,
  commanded: float32([2]),
  executed: float32([1]),
  observation: observation(1),
  facts: {},
});
await finished.end({ terminated: true, truncated: false });

const recording = recorder.begin({ id: "killed", low: [0], high: [2], observation: observation(0) });
for (let step = 1; ; step++) {
  const action = float32([1]);
  recording.step({
    reward: step,
    commanded: action,
    executed: action,
    observation: observation(step),
    facts: { seq: step },
  });
  if (step === 50) process.stdout.write("recording\n");
  if (step % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
