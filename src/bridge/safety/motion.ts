/** @file The whole command vector over time: where each channel's setpoint stands, moves and comes to rest. */

import { stopModeOf } from "./channels.ts";
import type { Channel, SafetyConfig } from "./channels.ts";
import { advance, brake } from "./limiter.ts";
import type { ChannelState, Moment } from "./limiter.ts";

const restTolerance = 1e-9;

/** The setpoints of all channels; the only place where a number for a motor is made. */
export class Motion {
  private readonly config: SafetyConfig;
  private readonly states: readonly ChannelState[];
  private readonly periodMs: number;
  private measured: readonly (number | undefined)[] = [];
  private measuredMs = -Infinity;
  private lastMs: number | undefined;
  private placed = false;

  constructor(config: SafetyConfig) {
    this.config = config;
    this.periodMs = 1000 / config.rateHz;
    this.states = config.channels.map((channel) => ({ value: restValue(channel), velocity: 0 }));
    this.placed = config.channels.every(
      (channel) => channel.kind !== "position" || channel.home !== undefined,
    );
  }

  /** Take measured positions (undefined where a channel has none), stamped with the time they were measured. */
  measure(positions: readonly (number | undefined)[], measuredMs: number): void {
    this.measured = positions;
    this.measuredMs = measuredMs;
  }

  /** Trust no earlier position: the robot may have been moved. */
  forget(): void {
    this.measured = [];
    this.measuredMs = -Infinity;
    this.placed = !this.config.channels.some((channel) => channel.kind === "position");
  }

  /** Whether every position channel knows where it starts. */
  get known(): boolean {
    return this.placed || this.config.channels.every((c, i) => c.kind !== "position" || this.isMeasured(i));
  }

  /** Whether a limit that needs a measured position has a fresh one. */
  fresh(nowMs: number): boolean {
    const needs = this.config.channels.some((c, i) => needsFeedback(c) && !this.isMeasured(i));
    if (needs) return false;
    return (
      !this.config.channels.some(needsFeedback) || nowMs - this.measuredMs <= this.config.feedbackTimeoutMs
    );
  }

  /** Begin from rest: at the last setpoint, or, after a silence in which the robot may have moved, where it was measured. */
  settle(nowMs: number): void {
    const silent = this.lastMs === undefined || nowMs - this.lastMs > 2 * this.periodMs;
    this.config.channels.forEach((channel, i) => {
      this.states[i].velocity = 0;
      if (channel.kind !== "position" || !this.isMeasured(i)) return;
      if (!this.placed || silent) this.states[i].value = this.measured[i] as number;
    });
    this.placed = this.known;
  }

  /** One setpoint towards `targets` (offset `row` × channels). */
  towards(targets: Float64Array, row: number, nowMs: number): void {
    const { channels } = this.config;
    const base = row * channels.length;
    const elapsedSeconds = this.elapse(nowMs);
    channels.forEach((channel, i) =>
      advance(channel, this.states[i], targets[base + i], this.moment(i, nowMs, elapsedSeconds)),
    );
  }

  /** One setpoint of a safe stop; true once every channel is at rest. */
  stop(nowMs: number): boolean {
    if (!this.placed) this.settle(nowMs);
    const elapsedSeconds = this.elapse(nowMs);
    let resting = true;
    this.config.channels.forEach((channel, i) => {
      const moment = this.moment(i, nowMs, elapsedSeconds);
      if (!this.stopChannel(channel, this.states[i], moment)) resting = false;
    });
    return resting;
  }

  /** A copy of the newest setpoint. */
  values(): Float64Array {
    return Float64Array.from(this.states, (state) => state.value);
  }

  private stopChannel(channel: Channel, state: ChannelState, moment: Moment): boolean {
    const mode = stopModeOf(channel);
    if (mode === "home") {
      const home = channel.home ?? state.value;
      advance(channel, state, home, moment);
      return Math.abs(state.value - home) <= restTolerance;
    }
    if (channel.kind === "position") {
      if (this.config.rampedStop) brake(channel, state, moment);
      else state.velocity = 0;
      return state.velocity === 0;
    }
    if (mode === "hold") return true;
    if (this.config.rampedStop) advance(channel, state, channel.neutral, moment);
    else state.value = channel.neutral;
    return Math.abs(state.value - channel.neutral) <= restTolerance;
  }

  private isMeasured(i: number): boolean {
    return Number.isFinite(this.measured[i]);
  }

  private elapse(nowMs: number): number {
    const elapsed = this.lastMs === undefined ? this.periodMs : Math.min(this.periodMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    return Math.max(elapsed, 1e-3) / 1000;
  }

  private moment(i: number, nowMs: number, elapsedSeconds: number): Moment {
    const periodSeconds = this.periodMs / 1000;
    if (!this.isMeasured(i)) return { elapsedSeconds, periodSeconds };
    const measuredAgeSeconds = Math.max(0, nowMs - this.measuredMs) / 1000;
    return { elapsedSeconds, periodSeconds, measured: this.measured[i], measuredAgeSeconds };
  }
}

function restValue(channel: Channel): number {
  return channel.kind === "position" ? (channel.home ?? 0) : channel.neutral;
}

function needsFeedback(channel: Channel): boolean {
  return channel.kind === "velocity" && channel.position !== undefined;
}
