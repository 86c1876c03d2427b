/** @file The same against a real ROS 1 master and rosbridge_suite, where REVERIE_ROSBRIDGE_URL names one (docs/safety.md says how). */

import { spawn } from "node:child_process";
import { once } from "node:events";

import { afterEach, describe, expect, it } from "vitest";

import { openRobot } from "../../../src/bridge/safety.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { end } from "../safety/processes.ts";

const url = process.env.REVERIE_ROSBRIDGE_URL ?? "";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

describe.skipIf(url === "")("a real rosbridge (needs REVERIE_ROSBRIDGE_URL and python3-rospy)", () => {
  it("a ROS robot is limited, observed, reset, and stands when its operator goes", async () => {
    const script = new URL("./toy_robot.py", import.meta.url).pathname;
    const robot = spawn("/usr/bin/python3", [script], { stdio: ["ignore", "pipe", "inherit"] });
    closing.push(() => end(robot));
    await once(robot.stdout, "data");
    const guard = await openRobot({
      safety: {
        channels: [
          { name: "speedMps", kind: "velocity", velocity: 0.5 },
          { name: "yawRateRadps", kind: "velocity", velocity: 1 },
        ],
      },
      device: {
        kind: "rosbridge",
        url,
        ros: 1,
        rateHz: 20,
        observation: {
          state: {
            as: "joints",
            topic: "/joint_states",
            type: "sensor_msgs/JointState",
            joints: ["wheel", "yaw"],
            field: "velocity",
          },
          place: {
            as: "numbers",
            topic: "/joint_states",
            type: "sensor_msgs/JointState",
            fields: ["position[1]"],
          },
          frame: { as: "image", topic: "/camera", type: "sensor_msgs/Image", shape: [48, 64] },
        },
        commands: [
          {
            topic: "/cmd_vel",
            type: "geometry_msgs/Twist",
            fields: { speedMps: "linear.x", yawRateRadps: "angular.z" },
          },
        ],
        reset: { service: "/reset" },
      },
    });
    closing.push(() => guard.close());
    const [env, watcher] = [await guard.connect(), await guard.connect()];
    const first = await env.reset();
    expect(numbers(first.observations.frame).slice(0, 3)).toEqual([0, 0, 200]);
    let batch = await env.step(float32([2, -0.25], [1, 2]));
    for (let i = 0; i < 10; i++) batch = await env.step(float32([2, -0.25], [1, 2]));
    expect(batch.infos.executed?.values).toMatchObject({ data: Float64Array.of(0.5, -0.25) });
    expect(numbers(batch.observations.state)).toEqual([0.5, -0.25]);
    expect(Number(batch.observations.place.data[0])).toBeGreaterThan(0.1);
    const again = await env.reset();
    expect(Number(again.observations.place.data[0])).toBeLessThan(0.1);
    await env.step(float32([0.3, 0], [1, 2]));
    await env.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const seen = await watcher.reset();
    expect(numbers(seen.observations.state)).toEqual([0, 0]);
  }, 60_000);
});

function numbers({ data }: NdArray): number[] {
  return Array.from(data as Float32Array);
}
