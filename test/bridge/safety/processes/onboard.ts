/** @file A robot's onboard computer as a process: the guard in front of the motor, a gate for operators, a busy main thread. */

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { openRobot } from "../../../../src/bridge/safety.ts";

const [deviceUrl, mode] = process.argv.slice(2);

/** Do nothing but occupy this thread, as a long inference or a collection of garbage does. */
function occupy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const robot = await openRobot({
  safety: { channels: [{ name: "speedMps", kind: "velocity", velocity: 2 }] },
  device: { kind: "websocket", url: deviceUrl },
  listen: { port: 0 },
});
process.stdout.write(`${JSON.stringify({ url: robot.url, raised: robot.raised })}\n`);

if (mode === "busy") setInterval(() => occupy(40), 150);

// Commands of a second operator, who lives in this process: what one line on stdin says.
createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, ms] = line.split(" ");
  if (command === "occupy") occupy(Number(ms));
  if (command === "exit") process.exit(0);
  if (command === "drive") void drive(Number(ms));
});

async function drive(ms: number): Promise<void> {
  const env = await robot.connect();
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) {
    env.act({ dtype: "float32", shape: [1, 1], data: Float32Array.of(1) }, { stepSeconds: 0.1 });
  }
  await env.close();
}
