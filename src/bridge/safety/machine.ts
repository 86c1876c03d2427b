/** @file The dead-man: decides, at every moment, what a motor is told. Pure: time comes in as a number, no timer, no socket. */

import type { SafetyConfig } from "./channels.ts";
import { Motion } from "./motion.ts";
import { Operators } from "./operators.ts";

/** Actions from an operator: H rows of one number per channel, row 0 meant for `startMs`. */
export interface Command {
  readonly sessionId: string;
  readonly epoch: number;
  /** Higher than every earlier one of the session. */
  readonly seq: number;
  /** H × channels numbers, row-major, in the channels' units. */
  readonly values: Float64Array;
  /** How long each row lasts. */
  readonly stepSeconds: number;
  /** The robot's clock when the observation that this answers was captured, echoed by the operator. */
  readonly observedMs?: number;
  /** When row 0 begins, by the robot's clock; the arrival when absent. */
  readonly startMs?: number;
}

/** Why a command was refused. */
export type Refusal =
  | "unknown-session"
  | "not-in-control"
  | "latched"
  | "device-lost"
  | "position-unknown"
  | "old-sequence"
  | "no-stamp"
  | "foreign-stamp"
  | "late"
  | "wrong-shape"
  | "wrong-timing"
  | "not-finite";

/** Why the robot is stopped. */
export type StopReason =
  | Refusal
  | "not-armed"
  | "closed"
  | "silence"
  | "underrun"
  | "no-feedback"
  | "reset"
  | "requested"
  | "faulty"
  | "shutdown";

/** Answer to a command. */
export type Verdict =
  | { readonly accepted: true; readonly skippedRows: number }
  | { readonly accepted: false; readonly refusal: Refusal; readonly stopped: boolean };

/** One message to the motor. */
export interface Setpoint {
  /** One number per channel, within every limit. */
  readonly values: Float64Array;
  readonly kind: "command" | "stop";
  /** Counts setpoints of this machine; a motor acknowledges it. */
  readonly number: number;
  /** The command that it carries out and the row of it; −1 in a stop. */
  readonly seq: number;
  readonly row: number;
  /** Whether a limit changed the operator's numbers. */
  readonly limited: boolean;
}

/** What changed; told to whoever watches. */
export type SafetyEvent =
  | { readonly type: "armed"; readonly atMs: number; readonly sessionId: string; readonly seq: number }
  | {
      readonly type: "stopped";
      readonly atMs: number;
      readonly reason: StopReason;
      readonly sessionId?: string;
    }
  | {
      readonly type: "refused";
      readonly atMs: number;
      readonly refusal: Refusal;
      readonly sessionId: string;
      readonly seq: number;
    };

interface Plan {
  readonly sessionId: string;
  readonly seq: number;
  readonly values: Float64Array;
  readonly rows: number;
  readonly stepMs: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** Refusals that say "whatever sends this must not drive": the robot stops, unless configured to drop late ones. */
const lateRefusals: ReadonlySet<Refusal> = new Set(["old-sequence", "late", "no-stamp", "foreign-stamp"]);
const foreignRefusals: ReadonlySet<Refusal> = new Set(["unknown-session", "not-in-control", "latched"]);

/**
 * State machine between operators and one motor. It fails closed: it starts stopped, stops for every doubt, and only a
 * fresh command with a higher sequence number from a live session arms it again.
 */
export class SafetyMachine {
  private readonly config: SafetyConfig;
  private readonly motion: Motion;
  private readonly operators = new Operators();
  private readonly listener: (event: SafetyEvent) => void;
  private plan: Plan | undefined;
  private controller: { readonly id: string; readonly epoch: number } | undefined;
  private reason: StopReason = "not-armed";
  private latch = false;
  private deviceUp = false;
  private restingNumber = -1;
  private restingMs = Infinity;
  private quiet = false;
  private canAcknowledge = false;
  private number = 0;

  constructor(config: SafetyConfig, listener: (event: SafetyEvent) => void = () => undefined) {
    this.config = config;
    this.motion = new Motion(config);
    this.listener = listener;
  }

  /** Whether commands move the robot now. */
  get armed(): boolean {
    return this.plan !== undefined;
  }

  /** The session that moves the robot now. */
  get controllerId(): string | undefined {
    return this.controller?.id;
  }

  /** Why it is stopped; undefined while armed. */
  get stopReason(): StopReason | undefined {
    return this.armed ? undefined : this.reason;
  }

  /** Whether the motor can be reached. */
  get reachable(): boolean {
    return this.deviceUp;
  }

  /** Whether an explicit stop holds until it is released. */
  get latched(): boolean {
    return this.latch;
  }

  /** When the dead-man acts if nothing is heard; Infinity while stopped. */
  get deadlineMs(): number {
    if (this.plan === undefined || this.controller === undefined) return Infinity;
    const operator = this.operators.find(this.controller.id, this.controller.epoch);
    const lease = operator === undefined ? -Infinity : operator.heardMs + this.config.leaseMs;
    return Math.min(lease, this.plan.endMs + this.config.holdMs);
  }

  /** An operator connects; returns its epoch and the highest sequence number that its session has used. */
  openSession(id: string, nowMs: number): { epoch: number; highestSeq: number } {
    if (this.controller?.id === id) this.stop("closed", nowMs);
    const { epoch } = this.operators.open(id, nowMs);
    return { epoch, highestSeq: this.operators.highest(id) };
  }

  /** Highest sequence number of a session that was judged; −1 before the first. */
  highestSeq(id: string): number {
    return this.operators.highest(id);
  }

  /** An operator's connection is gone: if it was in control the robot stops now, not at the end of the lease. */
  closeSession(id: string, epoch: number, nowMs: number): void {
    this.operators.close(id, epoch);
    if (this.controller?.id === id && this.controller.epoch === epoch) this.stop("closed", nowMs);
  }

  /** A sign of life. One that echoes a stamp older than the age limit comes out of a queue and does not count. */
  heartbeat(id: string, epoch: number, nowMs: number, stampMs = nowMs): void {
    const operator = this.operators.find(id, epoch);
    const ageMs = nowMs - stampMs;
    if (operator === undefined || !(ageMs >= 0 && ageMs <= this.config.maxActionAgeMs)) return;
    this.expire(nowMs);
    operator.heardMs = nowMs;
  }

  /** Take a command, or say why not. A refused one never reaches the motor, and most refusals stop the robot. */
  command(command: Command, nowMs: number): Verdict {
    this.expire(nowMs);
    const refusal = this.refusalOf(command, nowMs);
    const own = this.operators.find(command.sessionId, command.epoch) !== undefined;
    if (own && Number.isSafeInteger(command.seq) && command.seq > this.operators.highest(command.sessionId)) {
      this.operators.spend(command.sessionId, command.seq);
    }
    if (refusal !== undefined) return this.refuse(command, refusal, nowMs);
    this.accept(command, nowMs);
    const { startMs, stepMs } = this.plan as Plan;
    return { accepted: true, skippedRows: Math.max(0, Math.floor((nowMs - startMs) / stepMs)) };
  }

  /** Stop now. `latch` keeps it stopped, whatever operators send, until `release`. */
  stop(reason: StopReason, nowMs: number, latch = false): void {
    this.latch ||= latch;
    const { plan } = this;
    if (plan === undefined && !latch) return;
    this.plan = undefined;
    const sessionId = this.controller?.id;
    this.controller = undefined;
    this.beginStop(reason);
    this.listener({ type: "stopped", atMs: nowMs, reason, sessionId });
  }

  /** A session sent something that cannot be understood. */
  fault(id: string, nowMs: number): void {
    if (this.controller?.id === id) this.stop("faulty", nowMs);
  }

  /** Undo a latched stop; arming still needs a fresh command. */
  release(): void {
    this.latch = false;
  }

  /** Take measured positions (undefined where a channel has none). */
  feedback(positions: readonly (number | undefined)[], measuredMs: number): void {
    this.motion.measure(positions, measuredMs);
  }

  /** The motor can be reached: whatever it did before, it is told to stop first. */
  connectDevice(device: { readonly acknowledges: boolean; readonly measures: boolean }): void {
    this.deviceUp = true;
    this.canAcknowledge = device.acknowledges;
    if (device.measures) this.motion.forget();
    this.beginStop(this.reason);
  }

  /** The motor cannot be reached. */
  loseDevice(nowMs: number): void {
    this.deviceUp = false;
    this.stop("device-lost", nowMs);
    this.reason = "device-lost";
  }

  /** The motor has carried out setpoint `number`. */
  acknowledge(number: number): void {
    if (!this.armed && number >= this.restingNumber && this.restingNumber >= 0) this.quiet = true;
  }

  /** What the motor is told now; undefined when nothing needs to be said. */
  tick(nowMs: number): Setpoint | undefined {
    this.expire(nowMs);
    if (!this.deviceUp || !this.motion.known) return undefined;
    return this.plan === undefined ? this.stopSetpoint(nowMs) : this.commandSetpoint(this.plan, nowMs);
  }

  private commandSetpoint(plan: Plan, nowMs: number): Setpoint {
    const row = Math.min(plan.rows - 1, Math.max(0, Math.floor((nowMs - plan.startMs) / plan.stepMs)));
    this.motion.towards(plan.values, row, nowMs);
    const values = this.motion.values();
    const base = row * values.length;
    const limited = values.some((value, i) => value !== plan.values[base + i]);
    return { values, kind: "command", number: this.number++, seq: plan.seq, row, limited };
  }

  private stopSetpoint(nowMs: number): Setpoint | undefined {
    if (!this.canAcknowledge && nowMs - this.restingMs > this.config.stopRepeatMs) this.quiet = true;
    if (this.quiet) return undefined;
    const resting = this.motion.stop(nowMs);
    if (resting && this.restingNumber < 0) {
      this.restingNumber = this.number;
      this.restingMs = nowMs;
    }
    return {
      values: this.motion.values(),
      kind: "stop",
      number: this.number++,
      seq: -1,
      row: -1,
      limited: false,
    };
  }

  private beginStop(reason: StopReason): void {
    this.reason = reason;
    this.restingNumber = -1;
    this.restingMs = Infinity;
    this.quiet = false;
  }

  private expire(nowMs: number): void {
    if (this.plan === undefined) return;
    if (!this.motion.fresh(nowMs)) this.stop("no-feedback", nowMs);
    else if (nowMs > this.deadlineMs) this.stop(this.silent(nowMs) ? "silence" : "underrun", nowMs);
  }

  private silent(nowMs: number): boolean {
    const { id, epoch } = this.controller ?? { id: "", epoch: -1 };
    const operator = this.operators.find(id, epoch);
    return operator === undefined || nowMs > operator.heardMs + this.config.leaseMs;
  }

  private refusalOf(command: Command, nowMs: number): Refusal | undefined {
    const { sessionId, epoch, seq, values, stepSeconds } = command;
    if (this.operators.find(sessionId, epoch) === undefined) return "unknown-session";
    if (this.plan !== undefined && this.controller?.id !== sessionId) return "not-in-control";
    if (this.latch) return "latched";
    if (!Number.isSafeInteger(seq) || seq <= this.operators.highest(sessionId)) return "old-sequence";
    const width = this.config.channels.length;
    if (values.length === 0 || values.length % width !== 0) return "wrong-shape";
    if (!values.every(Number.isFinite)) return "not-finite";
    const rows = values.length / width;
    if (!(stepSeconds > 0 && rows * stepSeconds * 1000 <= this.config.maxChunkMs)) return "wrong-timing";
    return this.lateness(command, rows, nowMs) ?? this.unready(nowMs);
  }

  private lateness(command: Command, rows: number, nowMs: number): Refusal | undefined {
    const { observedMs, startMs = nowMs, stepSeconds } = command;
    if (observedMs === undefined && this.config.requireStamp) return "no-stamp";
    if (observedMs !== undefined && !(observedMs <= nowMs)) return "foreign-stamp";
    if (!(startMs <= nowMs)) return "foreign-stamp";
    // What answers an observation of an earlier connection was decided before the loss.
    const openedMs = this.operators.find(command.sessionId, command.epoch)?.openedMs ?? nowMs;
    const oldestMs = Math.max(openedMs, nowMs - this.config.maxActionAgeMs);
    if (observedMs !== undefined && observedMs < oldestMs) return "late";
    return nowMs >= startMs + rows * stepSeconds * 1000 ? "late" : undefined;
  }

  private unready(nowMs: number): Refusal | undefined {
    if (!this.deviceUp) return "device-lost";
    return this.motion.known && this.motion.fresh(nowMs) ? undefined : "position-unknown";
  }

  private refuse(command: Command, refusal: Refusal, nowMs: number): Verdict {
    const { sessionId, seq } = command;
    this.listener({ type: "refused", atMs: nowMs, refusal, sessionId, seq });
    const dropped = lateRefusals.has(refusal) && this.config.onLate === "drop";
    const stopped = this.armed && !dropped && !foreignRefusals.has(refusal);
    if (stopped) this.stop(refusal, nowMs);
    return { accepted: false, refusal, stopped };
  }

  private accept(command: Command, nowMs: number): void {
    const { sessionId, epoch, seq, values, stepSeconds, startMs = nowMs } = command;
    const operator = this.operators.find(sessionId, epoch);
    if (operator !== undefined) operator.heardMs = nowMs;
    const rows = values.length / this.config.channels.length;
    const stepMs = stepSeconds * 1000;
    const wasArmed = this.armed;
    if (!wasArmed) this.motion.settle(nowMs);
    this.controller = { id: sessionId, epoch };
    this.plan = { sessionId, seq, values, rows, stepMs, startMs, endMs: startMs + rows * stepMs };
    if (!wasArmed) this.listener({ type: "armed", atMs: nowMs, sessionId, seq });
  }
}
