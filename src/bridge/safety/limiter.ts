/** @file Limits of one command channel over time: the next setpoint towards a target that every bound allows. */

import { boundsOf, pairOf } from "./channels.ts";
import type { Channel } from "./channels.ts";

/** Last setpoint of a channel and how fast the setpoint moves (used by position channels). */
export interface ChannelState {
  value: number;
  velocity: number;
}

/** The moment of one setpoint. */
export interface Moment {
  /** Seconds since the last setpoint, at most one period of the ticker; above 0. */
  readonly elapsedSeconds: number;
  /** One period of the ticker: how long a velocity may act before it is corrected. */
  readonly periodSeconds: number;
  /** Newest measured position and its age, where the robot reports one. */
  readonly measured?: number;
  readonly measuredAgeSeconds?: number;
}

/** Largest speed v with v·reach + v²/(2·a) ≤ distance: it can still brake before the end of `distance`. */
export function brakingSpeed(distance: number, acceleration: number, reachSeconds: number): number {
  if (distance <= 0) return 0;
  if (!Number.isFinite(acceleration)) return distance / reachSeconds;
  const lost = acceleration * reachSeconds;
  return Math.sqrt(lost * lost + 2 * acceleration * distance) - lost;
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

/**
 * Position setpoints that respect position, velocity, acceleration and step limits for any target and any spacing in time.
 *
 * Invariant: after each call the setpoint can still brake inside its bounds, because the distance of a stepwise braking
 * with any step lengths is a lower sum of v²/(2a).
 */
function advancePosition(channel: Channel, state: ChannelState, target: number, moment: Moment): void {
  const { elapsedSeconds: dt } = moment;
  const [low, high] = boundsOf(channel);
  const speed = speedLimits(channel, moment.periodSeconds);
  const acceleration = channel.acceleration ?? Infinity;
  const inside = clamp(target, low, high);
  const wanted =
    Math.sign(inside - state.value) * brakingSpeed(Math.abs(inside - state.value), acceleration, dt);
  const slowest = Math.max(speed[0], state.velocity - acceleration * dt);
  const fastest = Math.min(speed[1], state.velocity + acceleration * dt);
  const up = brakingSpeed(high - state.value, acceleration, dt);
  const down = brakingSpeed(state.value - low, acceleration, dt);
  const velocity = clamp(clamp(wanted, slowest, fastest), -Math.max(down, 0), Math.max(up, 0));
  const next = state.value + velocity * dt;
  const within = state.value >= low && state.value <= high;
  state.value = within ? clamp(next, low, high) : next;
  state.velocity = velocity;
}

/** Velocity bounds of a position channel; the step limit is one more of them. */
function speedLimits(channel: Channel, periodSeconds: number): readonly [number, number] {
  const [low, high] = pairOf(channel.velocity);
  const step = (channel.step ?? Infinity) / periodSeconds;
  return [Math.max(low, -step), Math.min(high, step)];
}

/** Velocity and effort setpoints: bounded, changed by no more than acceleration and step allow. */
function advanceDirect(channel: Channel, state: ChannelState, target: number, moment: Moment): void {
  const [low, high] = boundsOf(channel);
  const slew =
    channel.kind === "velocity" ? (channel.acceleration ?? Infinity) * moment.elapsedSeconds : Infinity;
  const change = Math.min(slew, channel.step ?? Infinity);
  const before = state.value;
  const next = clamp(clamp(target, low, high), before - change, before + change);
  state.velocity = 0;
  state.value = clamp(next, low, high);
  if (channel.kind === "velocity") keepInTravel(channel, state, before, moment);
}

/** The position bound wins over smoothness: at the end of its travel a joint may be slowed harder than it is driven. */
function keepInTravel(channel: Channel, state: ChannelState, before: number, moment: Moment): void {
  if (channel.position === undefined || moment.measured === undefined) return;
  const { measured, measuredAgeSeconds: age = 0, periodSeconds } = moment;
  const acceleration = channel.acceleration ?? Infinity;
  // How far it can have moved since it was measured: it was at most so much faster then.
  const spread = (acceleration * age * age) / 2;
  const up = brakingSpeed(
    channel.position[1] - measured - before * age - spread,
    acceleration,
    periodSeconds,
  );
  const down = brakingSpeed(
    measured - channel.position[0] + before * age - spread,
    acceleration,
    periodSeconds,
  );
  state.value = clamp(state.value, -down, up);
}

/** Move `state` one setpoint towards `target`, in place. `target` must be finite. */
export function advance(channel: Channel, state: ChannelState, target: number, moment: Moment): void {
  if (channel.kind === "position") advancePosition(channel, state, target, moment);
  else advanceDirect(channel, state, target, moment);
}

/** Slow a position setpoint down within its acceleration limit; it comes to rest where it can, not where it was told. */
export function brake(channel: Channel, state: ChannelState, moment: Moment): void {
  const lost = (channel.acceleration ?? Infinity) * moment.elapsedSeconds;
  state.velocity = Math.sign(state.velocity) * Math.max(0, Math.abs(state.velocity) - lost);
  state.value += state.velocity * moment.elapsedSeconds;
}
