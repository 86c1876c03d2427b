/** @file Messages between an operator and the dead-man; the same over a socket and over a port between threads. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Channel } from "./channels.ts";
import type { DeviceDescription } from "./device.ts";
import type { Refusal, StopReason } from "./machine.ts";

/** Version of these messages; both sides must have the same. */
export const protocolVersion = 1;

/** Operator → robot. */
export type OperatorMessage =
  /** First message. `channels`: the operator's names of the action vector, compared in order. */
  | { op: "hello"; protocol: number; channels?: readonly string[]; session?: string }
  /** Actions float [H, A]; `observed` is the stamp of the observation that they answer. */
  | { op: "act"; seq: number; observed?: number; start?: number; step_seconds: number; actions: NdArray }
  /** Sign of life, echoing the newest stamp seen. */
  | { op: "hb"; observed?: number; t?: number }
  | { op: "reset"; id: number; seed?: number; options?: Record<string, unknown> }
  /** Stop and stay stopped until `release`; with `latch: false` until the next fresh action. */
  | { op: "stop"; latch?: boolean }
  | { op: "release" }
  /** One observation has been taken: one more may come. */
  | { op: "credit" };

/** What was really sent to the motor since the observation before. */
export interface Applied {
  /** float64 [A]: the newest setpoint. */
  readonly values: NdArray<"float64">;
  /** The command behind it; −1 for a stop. */
  readonly seq: number;
  readonly row: number;
  readonly kind: "command" | "stop";
  readonly limited: boolean;
  /** Setpoints since the observation before. */
  readonly count: number;
  /** When the first setpoint of this command (or stop) was sent, by the robot's clock. */
  readonly since: number;
}

/** Robot → operator. */
export type RobotMessage =
  | {
      op: "welcome";
      protocol: number;
      session: string;
      epoch: number;
      /** Highest sequence number that the session has used; the next must be higher. */
      seq: number;
      stamp: number;
      channels: readonly Channel[];
      lease_ms: number;
      heartbeat_ms: number;
      max_action_age_ms: number;
      device: DeviceDescription;
    }
  | {
      op: "obs";
      n: number;
      episode: number;
      /** The robot's clock at capture; echoed as `observed`. */
      stamp: number;
      arrays: Readonly<Record<string, NdArray>>;
      reward: number;
      terminated: boolean;
      truncated: boolean;
      reset?: number;
      /** Highest sequence number of this session that has been judged, carried out or not. */
      heard: number;
      applied?: Applied;
      stopped?: StopReason;
    }
  | { op: "pong"; stamp: number; t?: number }
  | { op: "refused"; seq: number; reason: Refusal; stopped: boolean }
  | { op: "state"; armed: boolean; reason?: StopReason; latched: boolean; session?: string }
  | { op: "error"; code: string; message: string };
