/** @file A robot as a VectorEnv: the contract's laws over a real car behind its guard, and a policy server driving it by chunks. */

import { afterEach, expect, it } from "vitest";

import { makeLookingDriver } from "../../../examples/robot-car/drivers.ts";
import { startCar } from "../../../examples/robot-car/car.ts";
import { makeAgent } from "../../../src/agents/agent.ts";
import type { AgentEvent } from "../../../src/agents/agent.ts";
import { localInference } from "../../../src/bridge/inference.ts";
import type { ServedPolicy } from "../../../src/bridge/inference.ts";
import { openPolicyServer } from "../../../src/bridge/policy-server.ts";
import { asChunkPolicy } from "../../../src/bridge/remote-chunks.ts";
import { RemotePolicy } from "../../../src/bridge/remote-policy.ts";
import { openRobot } from "../../../src/bridge/safety.ts";
import type { SafetyInput } from "../../../src/bridge/safety/channels.ts";
import { float32, zeros } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { checkVectorEnv } from "../../../src/env/check.ts";
import { until } from "./processes.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const safety: SafetyInput = {
  channels: [
    { name: "steer", kind: "position", position: [-1, 1], velocity: 15, home: 0 },
    { name: "accelerate", kind: "effort", effort: 1, neutral: -1 },
  ],
};

async function robotOf(rateHz: number) {
  const car = await startCar({ port: 0, rateHz, seed: 0 });
  closing.push(() => car.close());
  const robot = await openRobot({ safety, device: { kind: "websocket", url: car.url } });
  closing.push(() => robot.close());
  const env = await robot.connect();
  closing.push(() => env.close());
  return { car, env };
}

it("keeps the laws of the contract that do not need the same episode twice", async () => {
  const { env } = await robotOf(200);
  const { passed } = await checkVectorEnv(env as never, {
    deterministic: false,
    steps: 5,
    keepOpen: true,
  }).then(
    (result) => ({ passed: true, result }),
    (error: Error) => ({ passed: error.message }),
  );
  expect(passed).toBe(true);
});

it("is driven by a policy server in chunks, and stops when the server goes", async () => {
  const { car, env } = await robotOf(40);
  const seen: NdArray[] = [];
  const looking = makeLookingDriver().policy;
  const policy: ServedPolicy = {
    infer: ([{ observation }]) => {
      const { "observation/image": image, state } = observation as Record<string, NdArray>;
      seen.push(image);
      const batch = { frame: { ...image, shape: [1, 64, 64, 3] }, state: { ...state, shape: [1, 3] } };
      return looking.act(batch as never, zeros("bool", [1])).then(({ actions }) => {
        const rows = Array.from({ length: 8 }, () => [...actions.data]).flat();
        return [{ actions: float32(rows, [8, 2]) }];
      });
    },
  };
  const server = await openPolicyServer({ inference: localInference(policy), port: 0 });
  closing.push(() => server.close());
  const remote = await new RemotePolicy({ url: server.url, timeoutMs: 2000 }).open();
  closing.push(() => remote.close());
  const chunks = asChunkPolicy(remote, { keys: { frame: "observation/image" }, extras: { prompt: "drive" } });
  const agent = makeAgent({ env, policy: chunks });
  const events: AgentEvent[] = [];
  agent.events.subscribe((event) => events.push(event));
  const run = agent.run({ steps: 100_000, seed: 1 });
  const failed = run.catch((error: Error) => error.message);
  await until(() => events.filter(({ type }) => type === "chunk").length >= 3);
  expect(seen[0].shape).toEqual([64, 64, 3]);
  expect(car.drivenSteps).toBeGreaterThan(5);
  await server.close();
  expect(await failed).toMatch(/CONNECTION_LOST/);
  await until(() => car.speedMps === 0);
});
