/** @file A guard on a fake clock in front of a fake device, for tests. */

import { float32 } from "../../../src/core/ndarray.ts";
import { parseSafety } from "../../../src/bridge/safety/channels.ts";
import type { SafetyInput } from "../../../src/bridge/safety/channels.ts";
import type {
  Clock,
  Device,
  DeviceDescription,
  DeviceEvents,
  DeviceObservation,
  ResetRequest,
} from "../../../src/bridge/safety/device.ts";
import { Guard } from "../../../src/bridge/safety/guard.ts";
import type { GuardListener } from "../../../src/bridge/safety/guard.ts";
import type { Setpoint } from "../../../src/bridge/safety/machine.ts";
import type { OperatorMessage, RobotMessage } from "../../../src/bridge/safety/protocol.ts";

/** Time that moves only when told to; timers fire in order. */
export class FakeClock implements Clock {
  private nowMs = 0;
  private timers: { atMs: number; call: () => void }[] = [];

  now(): number {
    return this.nowMs;
  }

  at(atMs: number, call: () => void): () => void {
    const timer = { atMs, call };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Let time pass. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const [next] = this.timers.filter(({ atMs }) => atMs <= end).toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.call();
    }
    this.nowMs = end;
  }

  /** Time passes and nothing runs, as in a process that was frozen. */
  freeze(ms: number): void {
    this.nowMs += ms;
  }
}

/** A device that remembers what it was told. */
export class FakeDevice implements Device {
  readonly sent: { atMs: number; setpoint: Setpoint }[] = [];
  readonly resets: ResetRequest[] = [];
  events: DeviceEvents | undefined;
  closed = false;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  open(events: DeviceEvents): void {
    this.events = events;
  }

  send(setpoint: Setpoint): void {
    this.sent.push({ atMs: this.clock.now(), setpoint });
  }

  reset(request: ResetRequest): void {
    this.resets.push(request);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  get last(): Setpoint {
    return (this.sent.at(-1) as { setpoint: Setpoint }).setpoint;
  }

  observe(more: Partial<DeviceObservation> = {}): void {
    const capturedMs = this.clock.now();
    this.events?.observed({
      arrays: { state: float32([1, 2]) },
      capturedMs,
      reward: 0,
      terminated: false,
      truncated: false,
      ...more,
    });
  }
}

/** What the fake device says of itself. */
export const description: DeviceDescription = {
  name: "fake",
  channels: ["speedMps"],
  observation: { state: { dtype: "float32", shape: [2] } },
  acknowledges: false,
  measures: false,
  resets: true,
  rateHz: 10,
};

/** An operator's end of a link. */
export interface FakeOperator {
  readonly received: RobotMessage[];
  send(message: OperatorMessage): void;
  act(seq: number, value: number, more?: Partial<OperatorMessage & { op: "act" }>): void;
  gone(): void;
  closedFor: string | undefined;
  of<K extends RobotMessage["op"]>(op: K): (RobotMessage & { op: K })[];
}

/** A guard with its fake surroundings. */
export function guardRig(safety: Partial<SafetyInput> = {}, more: Partial<DeviceDescription> = {}) {
  const clock = new FakeClock();
  const device = new FakeDevice(clock);
  const events: Parameters<GuardListener["event"]>[0][] = [];
  const channels = safety.channels ?? [{ name: "speedMps", kind: "velocity", velocity: 2 } as const];
  const config = parseSafety({ ...safety, channels });
  const guard = new Guard({ config, device, clock, listener: { event: (event) => events.push(event) } });
  device.events?.up({ ...description, channels: channels.map(({ name }) => name), ...more });
  const operator = (hello: Partial<OperatorMessage & { op: "hello" }> = {}): FakeOperator => {
    const received: RobotMessage[] = [];
    const self: FakeOperator = {
      received,
      closedFor: undefined,
      send: (message) => side.receive(message),
      act: (seq, value, rest) => {
        const actions = float32([value], [1, 1]);
        side.receive({ op: "act", seq, observed: clock.now(), step_seconds: 0.1, actions, ...rest });
      },
      gone: () => side.gone(),
      of: (op) => received.filter((message): message is never => message.op === op),
    };
    const side = guard.attach({
      send: (message) => received.push(message),
      close: (reason) => (self.closedFor = reason),
    });
    side.receive({ op: "hello", protocol: 1, ...hello });
    return self;
  };
  return { clock, device, guard, events, operator };
}
