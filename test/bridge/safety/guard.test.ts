/** @file The guard on a fake clock: every path from an operator's message to the motor, and back to its observations. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ReverieError } from "../../../src/core/errors.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import { decodeMap, encode } from "../../../src/bridge/codec.ts";
import { operatorMessage } from "../../../src/bridge/safety/messages.ts";
import type { RobotMessage } from "../../../src/bridge/safety/protocol.ts";
import { Guard } from "../../../src/bridge/safety/guard.ts";
import { parseSafety } from "../../../src/bridge/safety/channels.ts";
import { FakeClock, FakeDevice, description, guardRig } from "./rig.ts";

describe("an operator", () => {
  it("is told the channels, the lease and its epoch before anything else", () => {
    const { operator } = guardRig();
    expect(operator().received[0]).toMatchObject({
      op: "welcome",
      epoch: 1,
      seq: -1,
      lease_ms: 150,
      channels: [{ name: "speedMps" }],
    });
  });

  it("is turned away when its names, its protocol or its first message are not the robot's", () => {
    const { operator, guard } = guardRig();
    expect(operator({ channels: ["steer"] }).closedFor).toBeDefined();
    expect(operator({ protocol: 9 }).closedFor).toBeDefined();
    const received: unknown[] = [];
    const side = guard.attach({ send: (message) => received.push(message), close: () => undefined });
    side.receive({ op: "act", seq: 0, step_seconds: 0.1, actions: float32([1], [1, 1]) });
    expect(received).toMatchObject([{ op: "error", code: "PROTOCOL" }]);
  });

  it("moves the motor in the same instant, not at the next tick", () => {
    const { clock, device, operator } = guardRig();
    const pilot = operator();
    clock.advance(1005);
    pilot.act(0, 1);
    expect(device.sent.at(-1)).toMatchObject({ atMs: 1005, setpoint: { kind: "command", seq: 0 } });
  });

  it("cannot flood the motor: setpoints keep their distance, and the newest action is the one that goes out", () => {
    const { clock, device, operator } = guardRig({ gapMs: 5 });
    const pilot = operator();
    clock.advance(1000);
    const before = device.sent.length;
    for (let seq = 0; seq < 500; seq++) {
      pilot.act(seq, 1);
      clock.advance(0.2);
    }
    const spacing = device.sent.slice(before).map(({ atMs }, i) => atMs - device.sent[before + i - 1].atMs);
    expect(spacing.length).toBeLessThanOrEqual(31);
    expect(device.last.seq).toBeGreaterThan(470);
  });

  it("whose action comes right after a tick waits for the shortest distance, not for the next tick", () => {
    const { clock, device, operator } = guardRig({ gapMs: 2 });
    const pilot = operator();
    pilot.act(0, 1);
    clock.advance(50.5);
    pilot.act(1, 0.5);
    clock.advance(2);
    expect(device.sent.at(-1)).toMatchObject({ atMs: 52, setpoint: { seq: 1 } });
  });

  it("that vanishes leaves the motor at zero in the same instant", () => {
    const { clock, device, operator } = guardRig();
    const pilot = operator();
    clock.advance(100);
    pilot.act(0, 1);
    clock.advance(13);
    expect(device.last.values[0]).toBe(1);
    pilot.gone();
    expect(device.sent.at(-1)).toMatchObject({
      atMs: 113,
      setpoint: { kind: "stop", values: Float64Array.of(0) },
    });
  });

  it("that falls silent leaves the motor at zero at the end of the lease, even when ticks are slow", () => {
    const { clock, device, operator } = guardRig({ rateHz: 2 });
    const pilot = operator();
    clock.advance(100);
    pilot.act(0, 1);
    clock.advance(1000);
    const stop = device.sent.find(({ atMs, setpoint }) => atMs > 100 && setpoint.kind === "stop");
    expect(stop?.atMs).toBeGreaterThan(250);
    expect(stop?.atMs).toBeLessThan(251);
  });

  it("that sends nonsense stops the robot and hears why", () => {
    const { clock, device, operator } = guardRig();
    const pilot = operator();
    pilot.act(0, 1);
    clock.advance(20);
    pilot.send({ op: "dance" } as never);
    expect(device.last.kind).toBe("stop");
    expect(pilot.received.at(-1)).toMatchObject({ op: "error", code: "PROTOCOL" });
  });

  it("hears of refused actions and of every change of state", () => {
    const { operator } = guardRig();
    const pilot = operator();
    pilot.act(0, 1);
    pilot.act(1, NaN);
    expect(pilot.of("state").map(({ armed, reason }) => [armed, reason])).toEqual([
      [true, undefined],
      [false, "not-finite"],
    ]);
    expect(pilot.of("refused")).toEqual([{ op: "refused", seq: 1, reason: "not-finite", stopped: true }]);
  });

  it("resumes its session without its old numbers, and the old connection is closed", () => {
    const { device, clock, operator } = guardRig();
    const first = operator({ session: "s" });
    first.act(7, 1);
    const second = operator({ session: "s" });
    expect(first.closedFor).toBeDefined();
    expect(second.received[0]).toMatchObject({ op: "welcome", epoch: 2, seq: 7 });
    second.act(7, 1);
    clock.advance(20);
    expect(device.last.kind).toBe("stop");
    second.act(8, 1);
    clock.advance(10);
    expect(device.last).toMatchObject({ kind: "command", seq: 8 });
  });

  it("may stop the robot for everybody until somebody releases it", () => {
    const { clock, device, operator } = guardRig();
    const [pilot, watcher] = [operator(), operator()];
    pilot.act(0, 1);
    watcher.send({ op: "stop" });
    clock.advance(10);
    pilot.act(1, 1);
    expect(device.last.kind).toBe("stop");
    watcher.send({ op: "release" });
    pilot.act(2, 1);
    clock.advance(10);
    expect(device.last.kind).toBe("command");
  });
});

describe("time", () => {
  it("holds the rate on a grid, and after a freeze stops instead of making up for missed ticks", () => {
    const { clock, device, operator } = guardRig({ leaseMs: 150, holdMs: 5000 });
    const pilot = operator();
    pilot.act(0, 1);
    for (let i = 0; i < 100; i++) {
      clock.advance(10);
      pilot.send({ op: "hb" });
    }
    const commands = device.sent.filter(({ setpoint }) => setpoint.kind === "command");
    expect(commands.length).toBeGreaterThanOrEqual(100);
    clock.freeze(500);
    const before = device.sent.length;
    clock.advance(1);
    expect(device.sent.length - before).toBe(1);
    expect(device.last.kind).toBe("stop");
  });

  it("messages that waited while the process was frozen do not bring the robot back to life", () => {
    const { clock, device, operator } = guardRig();
    const pilot = operator();
    pilot.act(0, 1);
    const observed = clock.now();
    clock.freeze(1200);
    pilot.act(1, 1, { observed });
    pilot.send({ op: "hb", observed });
    clock.advance(50);
    expect(device.last.kind).toBe("stop");
  });
});

describe("observations", () => {
  it("carry the robot's stamp and what was really sent to the motor", () => {
    const { clock, device, operator } = guardRig();
    const pilot = operator();
    clock.advance(100);
    pilot.act(3, 9);
    clock.advance(50);
    device.observe();
    const [seen] = pilot.of("obs");
    expect(seen).toMatchObject({
      n: 0,
      episode: 0,
      stamp: 150,
      applied: { seq: 3, kind: "command", limited: true },
    });
    expect(seen.applied?.values.data[0]).toBe(2);
  });

  it("reach a slow operator as the newest only", () => {
    const { device, operator } = guardRig();
    const pilot = operator();
    for (let i = 0; i < 100; i++) device.observe();
    expect(pilot.of("obs").map(({ n }) => n)).toEqual([0, 1]);
    pilot.send({ op: "credit" });
    pilot.send({ op: "credit" });
    expect(pilot.of("obs").map(({ n }) => n)).toEqual([0, 1, 99]);
    for (let i = 0; i < 50; i++) pilot.send({ op: "credit" });
    for (let i = 0; i < 100; i++) device.observe();
    expect(pilot.of("obs")).toHaveLength(5);
  });

  it("tell a slow operator what it missed: that its reset is done, what was earned since, and the end", () => {
    const { device, operator } = guardRig();
    const slow = operator();
    for (let i = 0; i < 2; i++) device.observe();
    slow.send({ op: "reset", id: 7 });
    device.observe({ reward: 5 }); // of the old episode
    device.observe({ resetId: device.resets[0].id, reward: 1 });
    device.observe({ reward: 0.25 });
    device.observe({ terminated: true });
    device.observe();
    slow.send({ op: "credit" });
    expect(slow.of("obs").at(-1)).toMatchObject({ n: 6, reset: 7, reward: 1.25, terminated: true });
    for (let i = 0; i < 3; i++) device.observe({ reward: 1 });
    slow.send({ op: "credit" });
    expect(slow.of("obs").at(-1)).toMatchObject({ n: 9, reset: undefined, reward: 3, terminated: false });
  });

  it("begin a new episode after a reset, and only the one who asked is told so", () => {
    const { device, operator } = guardRig();
    const [pilot, watcher] = [operator(), operator()];
    pilot.act(0, 1);
    pilot.send({ op: "reset", id: 5, seed: 42 });
    expect(device.last.kind).toBe("stop");
    expect(device.resets).toEqual([{ id: 1, seed: 42, options: undefined }]);
    device.observe();
    device.observe({ resetId: 1 });
    expect(pilot.of("obs").map(({ episode, reset }) => [episode, reset])).toEqual([
      [0, undefined],
      [1, 5],
    ]);
    expect(watcher.of("obs").map(({ reset }) => reset)).toEqual([undefined, undefined]);
  });

  it("begin a new episode with the next one on a robot that cannot be put back", () => {
    const { device, operator } = guardRig({}, { resets: false });
    const pilot = operator();
    pilot.send({ op: "reset", id: 5 });
    expect(device.resets).toEqual([]);
    device.observe();
    expect(pilot.of("obs")[0]).toMatchObject({ episode: 1, reset: 5 });
  });

  it("of a robot in somebody else's hands cannot be reset", () => {
    const { device, operator } = guardRig();
    const [pilot, rival] = [operator(), operator()];
    pilot.act(0, 1);
    rival.send({ op: "reset", id: 1 });
    expect(device.resets).toEqual([]);
    expect(device.last.kind).toBe("command");
    expect(rival.received.at(-1)).toMatchObject({ op: "error", code: "RUN_BUSY" });
  });
});

describe("the device", () => {
  it("is waited for: an operator that comes first is greeted when the robot is there", () => {
    const clock = new FakeClock();
    const device = new FakeDevice(clock);
    const config = parseSafety({ channels: [{ name: "speedMps", kind: "velocity", velocity: 2 }] });
    const guard = new Guard({ config, device, clock, listener: { event: () => undefined } });
    const received: RobotMessage[] = [];
    const side = guard.attach({ send: (message) => received.push(message), close: () => undefined });
    side.receive({ op: "hello", protocol: 1 });
    expect(received).toEqual([]);
    device.events?.up(description);
    expect(received[0]).toMatchObject({ op: "welcome", device: { name: "fake" } });
  });

  it("whose channels are others is never driven", () => {
    const { device, clock, events, operator } = guardRig({}, { channels: ["steer"] });
    clock.advance(100);
    expect(device.sent).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: "device", up: false });
    expect(operator().closedFor).toBeDefined();
  });

  it("that shows something else than it announced is shown to nobody, and is reported", () => {
    const { device, operator, events } = guardRig();
    const pilot = operator();
    device.observe({ arrays: { state: float32([1, 2, 3]) } });
    device.observe({ arrays: {} });
    device.observe({ arrays: { state: float32([1, 2]), extra: float32([1]) } });
    expect(pilot.of("obs")).toEqual([]);
    expect(events.filter(({ type }) => type === "warned")).toHaveLength(3);
    device.observe();
    expect(pilot.of("obs")).toHaveLength(1);
  });

  it("hears a stop before the guard lets go of it", async () => {
    const { device, operator, guard } = guardRig();
    const pilot = operator();
    pilot.act(0, 1);
    await guard.close();
    expect(device.last.kind).toBe("stop");
    expect(device.closed).toBe(true);
    expect(pilot.closedFor).toBeDefined();
    pilot.act(1, 1);
    expect(device.last.kind).toBe("stop");
  });
});

it("messages of a stranger are checked field by field", () => {
  expect(operatorMessage({ op: "hb" })).toEqual({ op: "hb", observed: undefined, t: undefined });
  expect(() => operatorMessage({ op: "constructor" })).toThrow(/PROTOCOL/);
  expect(() => operatorMessage({ op: "act", seq: "1", step_seconds: 0.1, actions: float32([1]) })).toThrow(
    /seq/,
  );
  expect(() => operatorMessage({ op: "act", seq: 1, step_seconds: 0.1, actions: [1] })).toThrow(/actions/);
  expect(() => operatorMessage({ op: "hello", protocol: 1, channels: [1] })).toThrow(/channels/);
  expect(() => operatorMessage({})).toThrow(/PROTOCOL/);
});

it("whatever bytes a stranger sends, the guard answers with errors and the motor hears only its limits", () => {
  const whole = [
    { op: "hello", protocol: 1, channels: ["speedMps"] },
    { op: "act", seq: 3, observed: 1, step_seconds: 0.1, actions: float32([1], [1, 1]) },
    { op: "hb", observed: 1, t: 5 },
    { op: "reset", id: 1, seed: 2, options: { a: [1] } },
  ].map((message) => encode(message));
  const mutation = fc.tuple(fc.nat(whole.length - 1), fc.nat(200), fc.nat(255), fc.boolean());
  fc.assert(
    fc.property(fc.array(mutation, { maxLength: 40 }), (mutations) => {
      const { clock, device, guard } = guardRig();
      const answers: RobotMessage[] = [];
      const side = guard.attach({ send: (message) => answers.push(message), close: () => undefined });
      for (const [which, at, byte, cut] of mutations) {
        const bytes = cut ? whole[which].subarray(0, at) : Buffer.from(whole[which]);
        if (!cut && at < bytes.length) bytes[at] = byte;
        try {
          side.receive(operatorMessage(decodeMap(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(ReverieError);
          side.fault(error);
        }
        clock.advance(7);
      }
      expect(device.sent.every(({ setpoint }) => Math.abs(setpoint.values[0]) <= 2)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
