/** @file The robot's end of the wire: what a guard that is behind must still learn. */

import { once } from "node:events";

import { expect, it } from "vitest";
import { WebSocket } from "ws";

import { decodeMap } from "../../../src/bridge/codec.ts";
import type { WireMap } from "../../../src/bridge/codec.ts";
import { openDevicePort } from "../../../src/bridge/safety/device-port.ts";
import { zeros } from "../../../src/core/ndarray.ts";

it("drops observations while the guard is behind, but not what they had to tell", async () => {
  const port = await openDevicePort(
    {
      name: "camera",
      channels: [],
      observation: { frame: { dtype: "uint8", shape: [480, 640, 3] } },
      acknowledges: false,
      measures: false,
      resets: true,
      rateHz: 30,
    },
    { set: () => undefined, gone: () => undefined },
    { port: 0 },
  );
  const guard = new WebSocket(port.url);
  const told: WireMap[] = [];
  guard.on("message", (data: Buffer) => told.push(decodeMap(data)));
  await once(guard, "message");
  guard.pause();
  const arrays = { frame: zeros("uint8", [480, 640, 3]) };
  for (let i = 0; i < 40; i++) port.observe({ arrays, reward: 1 });
  port.observe({ arrays, reward: 1, reset: 5 });
  port.observe({ arrays, reward: 2, terminated: true });
  guard.resume();
  while (told.length < 4) await once(guard, "message");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = told.length;
  expect(before).toBeLessThan(40);
  port.observe({ arrays, reward: 4 });
  while (told.length === before) await once(guard, "message");
  expect(told.at(-1)).toMatchObject({ op: "obs", reset: 5, reward: 7, terminated: true });
  guard.terminate();
  await port.close();
});
