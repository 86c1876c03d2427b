/** @file A robot behind rosbridge, driven through its guard: the wire, the mapping, and every defect worked around. */

import { afterEach, describe, expect, it } from "vitest";

import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { encodePng } from "../../../src/data/png.ts";
import { monotonicClock } from "../../../src/bridge/safety/device.ts";
import type { DeviceObservation } from "../../../src/bridge/safety/device.ts";
import { parseDevice } from "../../../src/bridge/safety/devices.ts";
import { openRobot } from "../../../src/bridge/safety.ts";
import { makeRosbridgeDevice, rosbridgeSchema } from "../../../src/bridge/rosbridge.ts";
import { decodeCbor } from "../../../src/bridge/rosbridge/cbor.ts";
import { parsePath, setAt, valueAt } from "../../../src/bridge/rosbridge/paths.ts";
import { RosbridgeClient, rosTime, typeName } from "../../../src/bridge/rosbridge/rosbridge-client.ts";
import { imageOf } from "../../../src/bridge/rosbridge/sensors.ts";
import { until } from "../safety/processes.ts";
import { FakeRosbridge, encodeCbor } from "./fake-rosbridge.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serverOf(): Promise<{ ros: FakeRosbridge; url: string }> {
  const ros = new FakeRosbridge();
  const url = await ros.listen();
  closing.push(() => ros.close());
  return { ros, url };
}

const base = {
  kind: "rosbridge",
  ros: 1,
  rateHz: 50,
  observation: {
    state: {
      as: "joints",
      topic: "/joint_states",
      type: "sensor_msgs/JointState",
      joints: ["left", "right"],
    },
    frame: { as: "image", topic: "/camera", type: "sensor_msgs/Image", shape: [2, 2] },
  },
  commands: [
    {
      topic: "/cmd_vel",
      type: "geometry_msgs/Twist",
      fields: { speedMps: "linear.x", yawRateRadps: "angular.z" },
    },
  ],
} as const;

/** The toy robot's senses, sent every 10 ms until the test ends. */
function senses(ros: FakeRosbridge): void {
  const timer = setInterval(() => {
    ros.emit("/joint_states", { name: ["right", "left"], position: [2, 1], velocity: [0, 0] });
    ros.emit("/camera", {
      encoding: "bgr8",
      height: 2,
      width: 2,
      step: 8,
      data: Uint8Array.from({ length: 16 }, (_, i) => i),
    });
  }, 10);
  closing.push(() => clearInterval(timer));
}

async function deviceOf(url: string, more = {}) {
  const device = makeRosbridgeDevice(rosbridgeSchema.parse({ ...base, url, ...more }), monotonicClock);
  const observed: DeviceObservation[] = [];
  const log: string[] = [];
  device.open({
    up: ({ channels }) => log.push(`up ${channels.join()}`),
    down: (reason) => log.push(`down ${reason}`),
    observed: (observation) => observed.push(observation),
    measured: (positions) => log.push(`measured ${positions.join()}`),
    acknowledged: () => undefined,
    warned: (message) => log.push(message),
  });
  closing.push(() => device.close());
  await until(() => log.length > 0);
  return { device, observed, log };
}

const setpoint = (...values: number[]) =>
  ({
    values: Float64Array.from(values),
    kind: "command",
    number: 0,
    seq: 0,
    row: 0,
    limited: false,
  }) as const;

describe("a device behind rosbridge", () => {
  it("advertises before it publishes, and puts channels where the config says", async () => {
    const { ros, url } = await serverOf();
    const { device, log } = await deviceOf(url);
    expect(log).toEqual(["up speedMps,yawRateRadps"]);
    device.send(setpoint(0.5, -1));
    await until(() => ros.published.length > 0);
    expect(ros.published).toEqual([{ topic: "/cmd_vel", msg: { linear: { x: 0.5 }, angular: { z: -1 } } }]);
    expect(ros.received.find(({ op }) => op === "advertise")).toMatchObject({
      topic: "/cmd_vel",
      type: "geometry_msgs/Twist",
    });
    expect(ros.received.find(({ topic }) => topic === "/joint_states")).toMatchObject({
      compression: "none",
      queue_length: 1,
      throttle_rate: 10,
    });
    expect(ros.received.find(({ topic }) => topic === "/camera")).toMatchObject({ compression: "cbor" });
  });

  it("observes joints by name, whatever their order, and images of any byte order", async () => {
    const { ros, url } = await serverOf();
    const { observed } = await deviceOf(url);
    senses(ros);
    await until(() => observed.length > 0);
    const { state, frame } = observed[0].arrays;
    expect([...state.data]).toEqual([1, 2]);
    expect(frame.shape).toEqual([2, 2, 3]);
    expect([...frame.data]).toEqual([2, 1, 0, 5, 4, 3, 10, 9, 8, 13, 12, 11]);
  });

  it("does not observe what it only half sees: a missing, NaN or stale part is no observation", async () => {
    const { ros, url } = await serverOf();
    const { observed } = await deviceOf(url, {
      staleMs: 100,
      observation: { state: base.observation.state },
    });
    await until(() => ros.hears("/joint_states"));
    ros.emit("/joint_states", { name: ["left"], position: [1] });
    ros.emit("/joint_states", { name: ["left", "right"], position: [1, null] });
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(observed).toEqual([]);
    ros.emit("/joint_states", { name: ["left", "right"], position: [1, 2] });
    await until(() => observed.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const count = observed.length;
    expect(count).toBeLessThanOrEqual(8);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(observed.length).toBe(count);
  });

  it("comes back after a loss: says so, advertises and subscribes again", async () => {
    const { ros, url } = await serverOf();
    const { device, log, observed } = await deviceOf(url);
    ros.drop();
    await until(() => log.length === 3);
    expect(log).toEqual([
      "up speedMps,yawRateRadps",
      "down the connection to rosbridge closed",
      "up speedMps,yawRateRadps",
    ]);
    device.send(setpoint(0.1, 0));
    await until(() => ros.published.length > 0);
    senses(ros);
    await until(() => observed.length > 0);
  });

  it("measures positions of its channels", async () => {
    const { ros, url } = await serverOf();
    const arm = [
      { topic: "/arm", type: "std_msgs/Float64MultiArray", fields: { elbow: "data[0]", wrist: "data[1]" } },
    ];
    const positions = { wrist: { topic: "/joint_states", type: "sensor_msgs/JointState", joint: "right" } };
    const { log, device } = await deviceOf(url, { commands: arm, positions });
    senses(ros);
    await until(() => log.length > 1);
    expect(log[1]).toBe("measured ,2");
    device.send(setpoint(7, 8));
    await until(() => ros.published.length > 0);
    expect(ros.published[0].msg).toEqual({ data: [7, 8] });
  });

  it("calls the reset service and marks the first observation after it; a failing one is told", async () => {
    const { ros, url } = await serverOf();
    const { device, observed } = await deviceOf(url, { reset: { service: "/reset" } });
    senses(ros);
    await until(() => observed.length > 0);
    device.reset({ id: 4 });
    await until(() => observed.some(({ resetId }) => resetId === 4));
    expect(observed.filter(({ resetId }) => resetId !== undefined)).toHaveLength(1);
    const other = await deviceOf(url, { reset: { service: "/nowhere" } });
    other.device.reset({ id: 1 });
    await until(() => other.log.some((line) => line.includes("/nowhere does not exist")));
  });

  it("does not take what was seen before the reset for the new episode's first observation", async () => {
    const { ros, url } = await serverOf();
    const { device, observed } = await deviceOf(url, {
      reset: { service: "/reset" },
      observation: { state: base.observation.state },
    });
    await until(() => ros.hears("/joint_states"));
    ros.emit("/joint_states", { name: ["left", "right"], position: [1, 2] });
    await until(() => observed.length > 0);
    device.reset({ id: 9 });
    await until(() => ros.received.some(({ op }) => op === "call_service"));
    const count = observed.length;
    await until(() => observed.length > count + 5);
    expect(observed.some(({ resetId }) => resetId !== undefined)).toBe(false);
    ros.emit("/joint_states", { name: ["left", "right"], position: [0, 0] });
    await until(() => observed.some(({ resetId }) => resetId === 9));
    expect(observed.find(({ resetId }) => resetId === 9)?.arrays.state.data[0]).toBe(0);
  });

  it("fills in a template and this ROS's names of time", async () => {
    const { ros, url } = await serverOf();
    const command = {
      topic: "/cmd",
      type: "geometry_msgs/msg/TwistStamped",
      fields: { speedMps: "twist.linear.x" },
      template: { header: { frame_id: "base" } },
      stamp: "header.stamp",
    };
    const { device } = await deviceOf(url, { ros: 2, commands: [command] });
    device.send(setpoint(1));
    await until(() => ros.published.length > 0);
    expect(ros.published[0].msg).toMatchObject({
      header: { frame_id: "base", stamp: { sec: expect.any(Number) as number } },
      twist: { linear: { x: 1 } },
    });
    expect(ros.received.find(({ op }) => op === "advertise")).toMatchObject({
      type: "geometry_msgs/msg/TwistStamped",
    });
  });
});

describe("through the guard", () => {
  it("a ROS robot is a VectorEnv whose velocity is limited, and zero when the operator goes", async () => {
    const { ros, url } = await serverOf();
    senses(ros);
    const robot = await openRobot({
      safety: {
        channels: [
          { name: "speedMps", kind: "velocity", velocity: 0.5 },
          { name: "yawRateRadps", kind: "velocity", velocity: 1 },
        ],
      },
      device: { ...base, url, commands: [...base.commands] } as never,
    });
    closing.push(() => robot.close());
    await until(() => ros.published.length > 0);
    const env = await robot.connect();
    const { observations } = await env.reset();
    expect(
      env.singleObservationSpace.contains({
        state: { ...observations.state, shape: [2] },
        frame: { ...observations.frame, shape: [2, 2, 3] },
      }),
    ).toBe(true);
    const batch = await env.step(float32([2, 0.25], [1, 2]));
    expect(batch.infos.executed?.values).toMatchObject({ data: Float64Array.of(0.5, 0.25) });
    await until(() => (ros.velocity.linear as { x: number }).x === 0.5);
    expect(ros.velocity).toEqual({ linear: { x: 0.5 }, angular: { z: 0.25 } });
    await env.close();
    await until(() => (ros.velocity.linear as { x: number }).x === 0);
  });
});

describe("the client", () => {
  async function clientOf(): Promise<{ ros: FakeRosbridge; client: RosbridgeClient; warnings: string[] }> {
    const { ros, url } = await serverOf();
    const warnings: string[] = [];
    let open = false;
    const events = {
      open: () => (open = true),
      down: () => undefined,
      warned: (text: string) => warnings.push(text),
    };
    const client = new RosbridgeClient({ url, ros: 1, silenceMs: 1000 }, events, monotonicClock);
    client.open();
    closing.push(() => client.close());
    await until(() => open);
    return { ros, client, warnings };
  }

  it("puts fragments together although their total is a fraction", async () => {
    const { ros, client, warnings } = await clientOf();
    ros.fragmentSize = 40;
    const messages: unknown[] = [];
    client.subscribe({
      topic: "/t",
      type: "std_msgs/String",
      encoding: "none",
      throttleMs: 0,
      message: (message) => messages.push(message),
    });
    await until(() => ros.hears("/t"));
    const text = "The quick brown fox jumps over the lazy dog. ".repeat(5);
    ros.emit("/t", { data: text });
    await until(() => messages.length > 0);
    expect(messages).toEqual([{ data: text }]);
    expect(warnings).toEqual([]);
  });

  it("gives a service its own time limit and hears its failure", async () => {
    const { client } = await clientOf();
    await expect(client.call("/hangs", {}, 50)).rejects.toThrow(/TIMEOUT/);
    await expect(client.call("/nowhere")).rejects.toThrow(/does not exist/);
    await expect(client.call("/reset")).resolves.toEqual({});
  });

  it("never publishes to a topic that was not advertised", async () => {
    const { client } = await clientOf();
    expect(() => client.publish("/cmd_vel", {})).toThrow(/not advertised/);
  });

  it("fails waiting calls when the connection goes", async () => {
    const { ros, client } = await clientOf();
    const call = client.call("/hangs");
    ros.drop();
    await expect(call).rejects.toThrow(/CONNECTION_LOST/);
  });
});

describe("CBOR", () => {
  it("decodes what rosbridge sends, typed arrays included", () => {
    const message = {
      op: "publish",
      n: [0, 23, 24, 255, 65536, -1, -300, 1.5],
      flags: [true, false, null],
      d: Float64Array.of(1.5, -2),
      data: Uint8Array.of(9, 8),
    };
    const value = decodeCbor(encodeCbor(message)) as unknown as typeof message;
    expect(value.n).toEqual(message.n);
    expect(value.flags).toEqual(message.flags);
    expect(value.d).toEqual(message.d);
    expect([...value.data]).toEqual([9, 8]);
    expect(decodeCbor(Buffer.from("d84d44feff0100", "hex"))).toEqual(Int16Array.of(-2, 1));
    expect(decodeCbor(Buffer.from("f93e00", "hex"))).toBe(1.5);
    expect(decodeCbor(Buffer.from("1bffffffffffffffff", "hex"))).toBe(2n ** 64n - 1n);
  });

  it("refuses what is cut short, endless or too deep", () => {
    const whole = encodeCbor({ op: "publish", d: Float64Array.of(1, 2) });
    for (let end = 0; end < whole.length; end++)
      expect(() => decodeCbor(whole.subarray(0, end))).toThrow(/PROTOCOL/);
    expect(() => decodeCbor(Buffer.alloc(100, 0x81))).toThrow(/PROTOCOL/);
    expect(() => decodeCbor(Buffer.from("9affffffff", "hex"))).toThrow(/PROTOCOL/);
    expect(() => decodeCbor(Buffer.from("0000", "hex"))).toThrow(/PROTOCOL/);
  });
});

it("places in messages are read and made", () => {
  const message: Record<string, unknown> = {};
  setAt(message, parsePath("points[0].positions[1]"), 3);
  expect(JSON.stringify(message)).toBe('{"points":[{"positions":[null,3]}]}');
  expect(valueAt(message, parsePath("points[0].positions[1]"))).toBe(3);
  expect(valueAt(message, parsePath("constructor"))).toBeUndefined();
  for (const wrong of ["", "a..b", "a[x]", "0", "a b"])
    expect(() => parsePath(wrong)).toThrow(/INVALID_CONFIG/);
});

it("names of types and times are each ROS's own", () => {
  expect(typeName("sensor_msgs/JointState", 2)).toBe("sensor_msgs/msg/JointState");
  expect(typeName("sensor_msgs/msg/JointState", 1)).toBe("sensor_msgs/JointState");
  expect(rosTime(1500.25, 1)).toEqual({ secs: 1, nsecs: 500250000 });
  expect(rosTime(1500.25, 2)).toEqual({ sec: 1, nanosec: 500250000 });
});

it("images are read from base64, from compressed files, and resized", async () => {
  const image = ndarray("uint8", [1, 2, 3], Uint8Array.of(255, 0, 0, 0, 0, 255));
  const compressed = { format: "png", data: Buffer.from(encodePng(image)).toString("base64") };
  expect([...(await imageOf(compressed, [1, 2])).data]).toEqual([...image.data]);
  const mono = { encoding: "mono8", height: 1, width: 1, step: 1, data: "gA==" };
  expect((await imageOf(mono, [2, 2])).shape).toEqual([2, 2, 3]);
  await expect(imageOf({ ...mono, height: 9 }, [2, 2])).rejects.toThrow(/PROTOCOL/);
  await expect(imageOf({ ...mono, encoding: "yuv422" }, [2, 2])).rejects.toThrow(/yuv422/);
});

it("settings that rosbridge would silently ignore are refused", () => {
  const joints = { ...base.observation.state, encoding: "cbor" };
  const settings = (more: object) => parseDevice({ ...base, url: "ws://127.0.0.1:1", ...more });
  const make = (more: object) => makeRosbridgeDevice(settings(more) as never, monotonicClock);
  expect(() => make({ observation: { state: joints } })).toThrow(/JointState/);
  expect(() => make({ positions: { elbow: { topic: "/a", type: "std_msgs/Float64" } } })).toThrow(/elbow/);
  expect(() => settings({ commands: [{ ...base.commands[0], fields: { speedMps: "linear..x" } }] })).toThrow(
    /INVALID_CONFIG/,
  );
});
