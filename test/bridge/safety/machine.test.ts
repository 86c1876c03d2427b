/** @file The dead-man's rules on a fake clock: what arms it, what stops it, and what never reaches the motor. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { checkNames, parseSafety } from "../../../src/bridge/safety/channels.ts";
import type { SafetyInput } from "../../../src/bridge/safety/channels.ts";
import { SafetyMachine } from "../../../src/bridge/safety/machine.ts";
import type { Command, SafetyEvent, Setpoint } from "../../../src/bridge/safety/machine.ts";

type ChannelInput = SafetyInput["channels"][number];
const wheel: ChannelInput = { name: "speedMps", kind: "velocity", velocity: 2 };
const joint: ChannelInput = { name: "elbowRad", kind: "position", position: [-1, 1], velocity: 2, home: 0 };

interface Rig {
  machine: SafetyMachine;
  events: SafetyEvent[];
  epoch: number;
  send(
    seq: number,
    value: number | number[],
    nowMs: number,
    more?: Partial<Command>,
  ): ReturnType<SafetyMachine["command"]>;
  sent(fromMs: number, toMs: number): { atMs: number; setpoint: Setpoint }[];
}

function rigOf(input: SafetyInput, device = { acknowledges: false, measures: false }): Rig {
  const events: SafetyEvent[] = [];
  const machine = new SafetyMachine(parseSafety(input), (event) => events.push(event));
  machine.connectDevice(device);
  const { epoch } = machine.openSession("pilot", 0);
  return {
    machine,
    events,
    epoch,
    send(seq, value, nowMs, more = {}) {
      const values = Float64Array.from([value].flat());
      return machine.command(
        { sessionId: "pilot", epoch, seq, values, stepSeconds: 0.1, observedMs: nowMs, ...more },
        nowMs,
      );
    },
    sent(fromMs, toMs) {
      const out: { atMs: number; setpoint: Setpoint }[] = [];
      for (let atMs = fromMs; atMs <= toMs; atMs += 10) {
        const setpoint = machine.tick(atMs);
        if (setpoint !== undefined) out.push({ atMs, setpoint });
      }
      return out;
    },
  };
}

describe("arming", () => {
  it("starts stopped, says zero to the motor, and moves only after a fresh command", () => {
    const rig = rigOf({ channels: [wheel] });
    expect(rig.machine.stopReason).toBe("not-armed");
    expect(
      rig.sent(0, 50).every(({ setpoint }) => setpoint.kind === "stop" && setpoint.values[0] === 0),
    ).toBe(true);
    expect(rig.send(0, 1, 60)).toEqual({ accepted: true, skippedRows: 0 });
    expect(rig.sent(60, 60)[0].setpoint).toMatchObject({ kind: "command", seq: 0, row: 0 });
    expect(rig.sent(70, 70)[0].setpoint.values[0]).toBe(1);
  });

  it("re-arms by a higher sequence number and by nothing else", () => {
    const rig = rigOf({ channels: [wheel] });
    rig.send(5, 1, 0);
    rig.sent(0, 400);
    expect(rig.machine.stopReason).toBe("silence");
    rig.machine.heartbeat("pilot", rig.epoch, 410);
    expect(rig.sent(410, 500).every(({ setpoint }) => setpoint.kind === "stop")).toBe(true);
    expect(rig.send(5, 1, 510)).toMatchObject({ accepted: false, refusal: "old-sequence" });
    expect(rig.send(4, 1, 520)).toMatchObject({ accepted: false, refusal: "old-sequence" });
    expect(rig.machine.armed).toBe(false);
    expect(rig.send(6, 1, 530)).toMatchObject({ accepted: true });
  });

  it("refuses sessions that are not connected, and messages of an earlier connection", () => {
    const rig = rigOf({ channels: [wheel] });
    expect(rig.send(0, 1, 0, { sessionId: "stranger" })).toMatchObject({ refusal: "unknown-session" });
    const again = rig.machine.openSession("pilot", 10);
    expect(rig.send(1, 1, 20)).toMatchObject({ refusal: "unknown-session" });
    expect(rig.send(1, 1, 30, { epoch: again.epoch })).toMatchObject({ accepted: true });
  });

  it("refuses what answers an observation from before the connection, however fresh it is", () => {
    const rig = rigOf({ channels: [wheel] });
    rig.send(0, 1, 100);
    rig.machine.closeSession("pilot", rig.epoch, 110);
    const { epoch } = rig.machine.openSession("pilot", 120);
    expect(rig.send(1, 1, 130, { epoch, observedMs: 119 })).toMatchObject({ refusal: "late" });
    expect(rig.send(2, 1, 140, { epoch, observedMs: 120 })).toMatchObject({ accepted: true });
  });

  it("lets one operator drive and leaves the robot alone when another tries", () => {
    const rig = rigOf({ channels: [wheel] });
    const rival = rig.machine.openSession("rival", 0);
    rig.send(0, 1, 0);
    expect(rig.send(0, -1, 10, { sessionId: "rival", epoch: rival.epoch })).toMatchObject({
      refusal: "not-in-control",
      stopped: false,
    });
    expect(rig.sent(20, 20)[0].setpoint.values[0]).toBe(1);
  });

  it("refuses while the device is away, and stops first when it is back", () => {
    const rig = rigOf({ channels: [wheel] });
    rig.send(0, 1, 0);
    rig.machine.loseDevice(10);
    expect(rig.sent(10, 100)).toEqual([]);
    expect(rig.send(1, 1, 110)).toMatchObject({ refusal: "device-lost" });
    rig.machine.connectDevice({ acknowledges: false, measures: false });
    expect(rig.sent(120, 120)[0].setpoint).toMatchObject({ kind: "stop", values: Float64Array.of(0) });
    expect(rig.send(2, 1, 130)).toMatchObject({ accepted: true });
  });

  it("waits for a measured position when the robot measures, and starts from it", () => {
    const rig = rigOf({ channels: [joint] }, { acknowledges: false, measures: true });
    expect(rig.sent(0, 50)).toEqual([]);
    expect(rig.send(0, 1, 60)).toMatchObject({ refusal: "position-unknown" });
    rig.machine.feedback([0.5], 70);
    expect(rig.sent(70, 70)[0].setpoint.values[0]).toBe(0.5);
    rig.send(1, 1, 80);
    expect(rig.sent(80, 80)[0].setpoint.values[0]).toBeCloseTo(0.52, 9);
  });

  it("does not jump back when the robot was moved while nothing was sent", () => {
    const rig = rigOf({ channels: [joint] }, { acknowledges: true, measures: true });
    rig.machine.feedback([0], 0);
    const [first] = rig.sent(0, 0);
    rig.machine.acknowledge(first.setpoint.number);
    rig.machine.feedback([0.8], 5000);
    rig.send(0, 0.8, 5010);
    expect(rig.sent(5010, 5010)[0].setpoint.values[0]).toBe(0.8);
  });
});

describe("stopping", () => {
  const moving = (more: Partial<SafetyInput> = {}): Rig => {
    const rig = rigOf({ channels: [wheel], ...more });
    rig.send(0, 1, 0);
    rig.sent(0, 10);
    return rig;
  };

  it("stops at once when the controlling connection closes, not at the end of the lease", () => {
    const rig = moving();
    rig.machine.closeSession("pilot", rig.epoch, 11);
    expect(rig.machine.tick(11)).toMatchObject({ kind: "stop", values: Float64Array.of(0) });
    expect(rig.events.at(-1)).toMatchObject({ type: "stopped", reason: "closed", sessionId: "pilot" });
  });

  it("stops when the operator falls silent for a lease, and not before", () => {
    const rig = moving({ holdMs: 5000 });
    rig.machine.heartbeat("pilot", rig.epoch, 100);
    const sent = rig.sent(20, 400);
    const stop = sent.find(({ setpoint }) => setpoint.kind === "stop");
    expect(stop?.atMs).toBe(260);
    expect(rig.machine.stopReason).toBe("silence");
  });

  it("stops when heartbeats go on but actions do not: the last action is never repeated for ever", () => {
    const rig = moving();
    let stopMs = 0;
    for (let now = 20; now < 600 && stopMs === 0; now += 10) {
      rig.machine.heartbeat("pilot", rig.epoch, now);
      if (rig.machine.tick(now)?.kind === "stop") stopMs = now;
    }
    expect(stopMs).toBe(260); // 100 ms of action, 150 ms of grace
    expect(rig.machine.stopReason).toBe("underrun");
  });

  it("does not count heartbeats that waited in a queue", () => {
    const rig = moving({ holdMs: 5000 });
    for (let now = 20; now <= 400; now += 10) {
      rig.machine.heartbeat("pilot", rig.epoch, now, now - 1001);
      rig.machine.tick(now);
    }
    expect(rig.machine.stopReason).toBe("silence");
  });

  it.each([
    ["not a number", { values: Float64Array.of(NaN) }, "not-finite"],
    ["infinite", { values: Float64Array.of(Infinity) }, "not-finite"],
    [
      "of the wrong length",
      { values: Float64Array.of(1, 2, 3), stepSeconds: 0.1, sessionId: "pilot" },
      undefined,
    ],
    ["empty", { values: new Float64Array() }, "wrong-shape"],
    ["without a duration", { stepSeconds: 0 }, "wrong-timing"],
    ["of endless duration", { stepSeconds: 1e9 }, "wrong-timing"],
    ["without the stamp of its observation", { observedMs: undefined }, "no-stamp"],
    ["stamped by another clock", { observedMs: 1e9 }, "foreign-stamp"],
    ["stamped with no number", { observedMs: NaN }, "foreign-stamp"],
    ["older than the age limit", { observedMs: -1100 }, "late"],
    ["over before it arrives", { startMs: -500 }, "late"],
    ["out of order", { seq: 0 }, "old-sequence"],
    ["numbered by a fraction", { seq: 1.5 }, "old-sequence"],
  ] as const)("stops and sends none of it when an action is %s", (_, more, refusal) => {
    const rig =
      refusal === undefined ? rigOf({ channels: [wheel, { ...wheel, name: "yawRadps" }] }) : moving();
    if (refusal === undefined) rig.send(0, [1, 1], 0);
    const verdict = rig.send(1, 0.5, 20, more);
    expect(verdict).toMatchObject({ accepted: false, refusal: refusal ?? "wrong-shape", stopped: true });
    expect(rig.sent(20, 60).every(({ setpoint }) => setpoint.values.every((value) => value === 0))).toBe(
      true,
    );
    expect(rig.machine.stopReason).toBe(refusal ?? "wrong-shape");
  });

  it("only drops a late action, and goes on with the one before, when configured so", () => {
    const rig = moving({ onLate: "drop" });
    expect(rig.send(0, -1, 20)).toMatchObject({ accepted: false, stopped: false });
    expect(rig.sent(20, 20)[0].setpoint.values[0]).toBe(1);
  });

  it("keeps a requested stop until it is released, whatever the operator sends", () => {
    const rig = moving();
    rig.machine.stop("requested", 20, true);
    expect(rig.send(1, 1, 30)).toMatchObject({ refusal: "latched" });
    expect(rig.sent(30, 40)[0].setpoint.values[0]).toBe(0);
    rig.machine.release();
    expect(rig.sent(50, 50)[0].setpoint.kind).toBe("stop");
    expect(rig.send(2, 1, 60)).toMatchObject({ accepted: true });
  });

  it("repeats the stop until the motor acknowledges it, then is silent", () => {
    const rig = rigOf({ channels: [wheel] }, { acknowledges: true, measures: false });
    const sent = rig.sent(0, 3000);
    expect(sent).toHaveLength(301);
    rig.machine.acknowledge(sent[0].setpoint.number);
    expect(rig.sent(3010, 4000)).toEqual([]);
  });

  it("repeats the stop for a while to a motor that cannot acknowledge", () => {
    const sent = rigOf({ channels: [wheel], stopRepeatMs: 200 }).sent(0, 3000);
    expect(sent.at(-1)?.atMs).toBe(200);
  });

  it("does not take an acknowledgement of the motion for one of the stop", () => {
    const rig = rigOf({ channels: [wheel] }, { acknowledges: true, measures: false });
    rig.send(0, 1, 0);
    const moved = rig.sent(0, 0)[0].setpoint.number;
    rig.machine.stop("requested", 10);
    rig.machine.tick(10);
    rig.machine.acknowledge(moved);
    expect(rig.machine.tick(20)?.kind).toBe("stop");
  });

  it("sends the channel's neutral number, which for a car is its brake", () => {
    const rig = rigOf({ channels: [{ name: "accelerate", kind: "effort", effort: 1, neutral: -1 }] });
    rig.send(0, 1, 0);
    rig.sent(0, 10);
    rig.machine.closeSession("pilot", rig.epoch, 20);
    expect(rig.machine.tick(20)?.values[0]).toBe(-1);
  });

  it("holds a position where the setpoint stands, or takes it home within its limits", () => {
    const hold = rigOf({ channels: [joint] });
    hold.send(0, 1, 0);
    const last = hold.sent(0, 90).at(-1)?.setpoint.values[0];
    hold.machine.closeSession("pilot", hold.epoch, 95);
    expect(hold.sent(100, 200).every(({ setpoint }) => setpoint.values[0] === last)).toBe(true);

    const home = rigOf({ channels: [{ ...joint, onStop: "home" }] });
    home.send(0, 1, 0);
    const away = home.sent(0, 90).at(-1)?.setpoint.values[0] as number;
    home.machine.closeSession("pilot", home.epoch, 95);
    const way = home.sent(100, 900).map(({ setpoint }) => setpoint.values[0]);
    expect(Math.abs(away - way[0])).toBeLessThanOrEqual(0.02 + 1e-9);
    expect(way.at(-1)).toBe(0);
  });

  it("ramps down within the acceleration limit when configured so", () => {
    const rig = rigOf({ channels: [{ ...wheel, acceleration: 10 }], rampedStop: true });
    for (let seq = 0; seq < 3; seq++) {
      rig.send(seq, 1, seq * 100);
      rig.sent(seq * 100, seq * 100 + 90);
    }
    rig.machine.closeSession("pilot", rig.epoch, 300);
    const way = rig.sent(300, 420).map(({ setpoint }) => setpoint.values[0]);
    expect(way.slice(0, 3).map((v) => Math.round(v * 1000) / 1000)).toEqual([0.9, 0.8, 0.7]);
    expect(way.at(-1)).toBe(0);
  });

  it("stops when a limit needs a measured position and none is fresh", () => {
    const rail: ChannelInput = {
      name: "railMps",
      kind: "velocity",
      velocity: 1,
      acceleration: 5,
      position: [0, 1],
    };
    const rig = rigOf(
      { channels: [rail], holdMs: 5000, leaseMs: 5000 },
      { acknowledges: false, measures: true },
    );
    rig.machine.feedback([0.5], 0);
    expect(rig.send(0, 0.1, 0)).toMatchObject({ accepted: true });
    const stop = rig.sent(0, 1000).find(({ setpoint }) => setpoint.kind === "stop");
    expect(stop?.atMs).toBe(310);
    expect(rig.machine.stopReason).toBe("no-feedback");
  });
});

describe("chunks", () => {
  it("plays the rows at their times and skips those already past", () => {
    const rig = rigOf({ channels: [wheel] });
    rig.send(0, [0.1, 0.2, 0.3, 0.4], 250, { startMs: 100, observedMs: 100 });
    expect(rig.sent(250, 250)[0].setpoint).toMatchObject({ row: 1 });
    expect(rig.sent(300, 300)[0].setpoint).toMatchObject({ row: 2 });
  });

  it("replaces the chunk in play by a newer one at once", () => {
    const rig = rigOf({ channels: [wheel] });
    rig.send(0, [1, 1, 1], 0);
    rig.sent(0, 50);
    rig.send(1, [0.5, 0.5], 60);
    expect(rig.sent(60, 60)[0].setpoint).toMatchObject({ seq: 1, row: 0, values: Float64Array.of(0.5) });
  });
});

it("the deadline says when the dead-man acts", () => {
  const rig = rigOf({ channels: [wheel] });
  expect(rig.machine.deadlineMs).toBe(Infinity);
  rig.send(0, 1, 1000);
  expect(rig.machine.deadlineMs).toBe(1150);
});

it("names and their order are compared with the operator's", () => {
  const config = parseSafety({ channels: [wheel, joint] });
  expect(() => checkNames(config, ["speedMps", "elbowRad"])).not.toThrow();
  expect(() => checkNames(config, ["elbowRad", "speedMps"])).toThrow(/PROTOCOL/);
  expect(() => checkNames(config, ["speedMps"])).toThrow(/PROTOCOL/);
});

it("settings that cannot be safe are refused by name", () => {
  const refused = (channel: object): RegExpMatchArray | null => {
    try {
      parseSafety({ channels: [{ name: "a", ...channel }] });
    } catch (error) {
      return String(error).match(/needs?|cannot|outside|allow|for position|Unrecognized|low end/);
    }
    return null;
  };
  expect(refused({ kind: "position", position: [-1, 1] })).not.toBeNull();
  expect(refused({ kind: "velocity" })).not.toBeNull();
  expect(refused({ kind: "effort" })).not.toBeNull();
  expect(refused({ kind: "velocity", velocity: 1, position: [0, 1] })).not.toBeNull();
  expect(refused({ kind: "velocity", velocity: 1, onStop: "hold" })).not.toBeNull();
  expect(refused({ kind: "position", position: [1, 2], velocity: 1, onStop: "zero" })).not.toBeNull();
  expect(refused({ kind: "position", position: [1, 2], velocity: 1, onStop: "home" })).not.toBeNull();
  expect(refused({ kind: "position", position: [1, 2], velocity: 1, home: 3 })).not.toBeNull();
  expect(refused({ kind: "position", position: [1, 2], velocity: [1, 2] })).not.toBeNull();
  expect(refused({ kind: "effort", effort: [0.5, 1] })).not.toBeNull();
  expect(refused({ kind: "effort", effort: 1, sped: 3 })).not.toBeNull();
  expect(refused({ kind: "effort", effort: [1, -1] })).not.toBeNull();
});

describe("for any sequence of events", () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant("command" as const),
      seq: fc.integer({ min: 0, max: 30 }),
      value: fc.oneof(fc.double({ min: -9, max: 9, noNaN: true }), fc.constant(NaN)),
      age: fc.integer({ min: 0, max: 1500 }),
    }),
    fc.record({
      kind: fc.constantFrom(
        "beat" as const,
        "close" as const,
        "open" as const,
        "lose" as const,
        "connect" as const,
        "estop" as const,
        "release" as const,
      ),
    }),
  );
  const script = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 80 }), event }), { maxLength: 60 });

  it("no spent or lower sequence number, no refused number and nothing without a live lease reaches the motor", () => {
    fc.assert(
      fc.property(script, (steps) => {
        const machine = new SafetyMachine(parseSafety({ channels: [wheel] }));
        machine.connectDevice({ acknowledges: false, measures: false });
        let { epoch } = machine.openSession("pilot", 0);
        let [now, connected, heardMs, highestSent, up, latched] = [0, true, 0, -1, true, false];
        const accepted = new Map<number, number>();
        const check = (): void => {
          const setpoint = machine.tick(now);
          if (setpoint === undefined) return;
          expect(up).toBe(true);
          expect(Math.abs(setpoint.values[0])).toBeLessThanOrEqual(2);
          if (setpoint.kind === "stop") expect(setpoint.values[0]).toBe(0);
          if (setpoint.kind === "stop") return;
          expect(connected && !latched).toBe(true);
          expect(now - heardMs).toBeLessThanOrEqual(150);
          expect(accepted.has(setpoint.seq)).toBe(true);
          expect(setpoint.seq).toBeGreaterThanOrEqual(highestSent);
          highestSent = setpoint.seq;
        };
        for (const { wait, event: e } of steps) {
          for (const end = now + wait; now < end; now += 5) check();
          if (e.kind === "command") {
            const command = {
              sessionId: "pilot",
              epoch,
              seq: e.seq,
              values: Float64Array.of(e.value),
              stepSeconds: 0.1,
              observedMs: now - e.age,
            };
            if (machine.command(command, now).accepted) {
              expect(e.seq).toBeGreaterThan(Math.max(-1, ...accepted.keys()));
              expect(Number.isFinite(e.value) && e.age <= 1000).toBe(true);
              accepted.set(e.seq, e.value);
              heardMs = now;
            }
          } else if (e.kind === "beat") {
            machine.heartbeat("pilot", epoch, now);
            heardMs = now;
          } else if (e.kind === "close") {
            machine.closeSession("pilot", epoch, now);
            connected = false;
          } else if (e.kind === "open") {
            epoch = machine.openSession("pilot", now).epoch;
            connected = true;
          } else if (e.kind === "lose") {
            machine.loseDevice(now);
            up = false;
          } else if (e.kind === "connect") {
            if (!up) machine.connectDevice({ acknowledges: false, measures: false });
            up = true;
          } else {
            if (e.kind === "estop") machine.stop("requested", now, true);
            else machine.release();
            latched = e.kind === "estop";
          }
          check();
        }
      }),
      { numRuns: 150 },
    );
  });
});
