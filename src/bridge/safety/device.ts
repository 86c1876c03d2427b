/** @file The contract of a motor's connection, as the dead-man sees it: setpoints down, observations and positions up. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Setpoint } from "./machine.ts";

/** One array of an observation, as announced in the handshake. */
export interface ArraySpec {
  readonly dtype: NdArray["dtype"];
  readonly shape: readonly number[];
  /** Bounds of every element; absent means unbounded. */
  readonly low?: number;
  readonly high?: number;
}

/** What a device says of itself when it connects. */
export interface DeviceDescription {
  readonly name: string;
  /** Names of the numbers that it obeys, in order. */
  readonly channels: readonly string[];
  /** Arrays of an observation by name. */
  readonly observation: Readonly<Record<string, ArraySpec>>;
  /** Whether it acknowledges setpoints. */
  readonly acknowledges: boolean;
  /** Whether it measures positions of its channels. */
  readonly measures: boolean;
  /** Whether it can be put back to a start (simulators, arms with a home routine). */
  readonly resets: boolean;
  /** Observations per second. */
  readonly rateHz: number;
}

/** One observation of the robot, stamped by the clock of this side. */
export interface DeviceObservation {
  readonly arrays: Readonly<Record<string, NdArray>>;
  /** When it was captured, by this side's clock: its arrival less the age that the device states. */
  readonly capturedMs: number;
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
  /** Set on the first observation after that reset. */
  readonly resetId?: number;
}

/** A wish to begin a new episode. */
export interface ResetRequest {
  readonly id: number;
  readonly seed?: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** What a device tells its owner. Callbacks must not throw. */
export interface DeviceEvents {
  up(description: DeviceDescription): void;
  down(reason: string): void;
  observed(observation: DeviceObservation): void;
  /** Newest positions in the order of the channels; undefined where a channel has none. */
  measured(positions: readonly (number | undefined)[], measuredMs: number): void;
  acknowledged(number: number): void;
  /** Something that a person should know and that stops nothing. */
  warned?(message: string): void;
}

/** A motor's connection: opened once, reconnects by itself, and is held by nobody but the dead-man. */
export interface Device {
  /** Begin to connect, and go on trying until `close`. */
  open(events: DeviceEvents): void;
  /** Send one setpoint; one that cannot be sent now is dropped, never queued. */
  send(setpoint: Setpoint): void;
  reset(request: ResetRequest): void;
  close(): Promise<void>;
}

/** Time and timers; a fake one in tests. */
export interface Clock {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Call once at `atMs` or soon after; returns how to cancel. */
  at(atMs: number, call: () => void): () => void;
}

/** The machine's monotonic clock, the same in every thread and process of one machine. */
export const monotonicClock: Clock = {
  now() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  at(atMs, call) {
    const timer = setTimeout(call, Math.max(0, Math.ceil(atMs - monotonicClock.now())));
    return () => clearTimeout(timer);
  },
};
