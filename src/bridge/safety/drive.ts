/** @file The ticker: asks the machine at every due moment what the motor is told, and tells it; nothing else writes to the device. */

import { ndarray } from "../../core/ndarray.ts";
import type { SafetyConfig } from "./channels.ts";
import type { Clock, Device } from "./device.ts";
import type { SafetyMachine, Setpoint } from "./machine.ts";
import type { Applied } from "./protocol.ts";

/** Parts of a drive. */
export interface DriveParts {
  readonly config: SafetyConfig;
  readonly machine: SafetyMachine;
  readonly device: Device;
  readonly clock: Clock;
  /** Told of every setpoint when it is sent. */
  readonly sent?: (setpoint: Setpoint, atMs: number) => void;
  /** Told how many moments of the grid passed without a look at the machine: this thread was not run. */
  readonly missed?: (ticks: number) => void;
}

/** One motor's ticker. */
export class Drive {
  private readonly parts: DriveParts;
  private readonly periodMs: number;
  private nextTickMs: number;
  /** When a new action that came too soon after a setpoint goes out. */
  private urgentMs = Infinity;
  private scheduledMs = Infinity;
  private lastSentMs = -Infinity;
  private handedMs = -Infinity;
  private newest: Applied | undefined;
  private cancel: () => void = () => undefined;
  private ended = false;

  constructor(parts: DriveParts) {
    this.parts = parts;
    this.periodMs = 1000 / parts.config.rateHz;
    this.nextTickMs = parts.clock.now();
    this.schedule();
  }

  /** What was sent since the last call, the newest setpoint first of all. */
  takeApplied(): Applied | undefined {
    const { newest } = this;
    if (newest !== undefined) this.newest = { ...newest, count: 0 };
    return newest;
  }

  /** When the newest setpoint had been handed to the device. */
  get departedMs(): number {
    return this.handedMs;
  }

  /** Tell the motor now. */
  emit(): void {
    const { machine, device, clock, sent } = this.parts;
    const nowMs = clock.now();
    this.urgentMs = Infinity;
    const setpoint = machine.tick(nowMs);
    if (setpoint !== undefined) {
      device.send(setpoint);
      this.handedMs = clock.now();
      this.lastSentMs = nowMs;
      this.newest = appliedOf(setpoint, this.newest, nowMs);
      sent?.(setpoint, nowMs);
    }
    this.schedule();
  }

  /** There is a new action: tell the motor now, or as soon as setpoints may follow each other. */
  emitSoon(): void {
    const { machine, clock, config } = this.parts;
    this.urgentMs = this.lastSentMs + config.gapMs;
    if (!machine.armed || clock.now() >= this.urgentMs) this.emit();
    else this.schedule();
  }

  /** No further tick. What the machine still has to say must be emitted by hand. */
  end(): void {
    this.ended = true;
    this.cancel();
  }

  /**
   * The next moment of the ticker's grid, or the dead-man's deadline if that comes first. Missed ticks are not made up.
   * A timer that is due earlier is left alone: it will look again.
   */
  private schedule(): void {
    if (this.ended) return;
    const { machine, clock } = this.parts;
    const nowMs = clock.now();
    if (this.nextTickMs <= nowMs) {
      const missed = Math.floor((nowMs - this.nextTickMs) / this.periodMs);
      this.nextTickMs += this.periodMs * (missed + 1);
      if (missed > 0) this.parts.missed?.(missed);
    }
    const atMs = Math.min(this.nextTickMs, this.urgentMs, machine.deadlineMs + 0.001);
    if (this.scheduledMs <= atMs) return;
    this.cancel();
    this.scheduledMs = atMs;
    this.cancel = clock.at(atMs, () => {
      this.scheduledMs = Infinity;
      this.emit();
    });
  }
}

function appliedOf({ values, ...rest }: Setpoint, before: Applied | undefined, nowMs: number): Applied {
  const { seq, row, kind, limited } = rest;
  const since = before?.seq === seq && before.kind === kind ? before.since : nowMs;
  const count = (before?.count ?? 0) + 1;
  return { values: ndarray("float64", [values.length], values), seq, row, kind, limited, count, since };
}
