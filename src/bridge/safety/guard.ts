/** @file The dead-man at work: one machine, one motor, its operators and one timer, on whatever thread owns them. */

import { randomUUID } from "node:crypto";

import { isNdArray } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { ReverieError, fail } from "../../core/errors.ts";
import { NewestWins } from "../wire/credits.ts";
import { checkNames } from "./channels.ts";
import type { SafetyConfig } from "./channels.ts";
import type { Clock, Device, DeviceDescription, DeviceObservation } from "./device.ts";
import { Drive } from "./drive.ts";
import { SafetyMachine } from "./machine.ts";
import type { SafetyEvent, Setpoint } from "./machine.ts";
import { protocolVersion } from "./protocol.ts";
import type { OperatorMessage, RobotMessage } from "./protocol.ts";

/** An operator's connection. */
export interface OperatorLink {
  send(message: RobotMessage): void;
  close(reason: string): void;
}

/** What happened: to the dead-man, or to the motor's connection. */
export type GuardEvent =
  | SafetyEvent
  | { readonly type: "device"; readonly up: boolean; readonly reason: string; readonly atMs: number }
  | { readonly type: "warned"; readonly message: string; readonly atMs: number };

/** What the guard tells its host. */
export interface GuardListener {
  event(event: GuardEvent): void;
  /** Every setpoint, when it is sent. */
  sent?(setpoint: Setpoint, atMs: number): void;
  /** Ticks that were left out because the guard's thread was not run in time. */
  missed?(ticks: number): void;
}

/** Parts of a guard. */
export interface GuardParts {
  readonly config: SafetyConfig;
  readonly device: Device;
  readonly clock: Clock;
  readonly listener: GuardListener;
}

/** A connection's side of the guard. */
export interface Attachment {
  /** Take a message that has been checked. */
  receive(message: OperatorMessage): void;
  /** Take note of one that could not be understood. */
  fault(error: unknown): void;
  /** The connection is gone. */
  gone(): void;
}

interface OperatorSession {
  readonly openedMs: number;
  /** Unique in the robot: two principals that choose the same name do not meet. */
  readonly id: string;
  readonly epoch: number;
}

interface Attached {
  readonly link: OperatorLink;
  readonly principal: string;
  readonly outlet: NewestWins<Observed>;
  faults: number;
  /** A greeting that waits for the robot. */
  hello?: OperatorMessage & { op: "hello" };
  session?: OperatorSession;
}

type Observed = RobotMessage & { op: "obs" };

const credits = 2;

/** Messages without sense that a connection survives. */
const maxFaults = 16;

/** Owns the motor: every setpoint passes through its machine, and nothing else holds the device. */
export class Guard {
  private readonly parts: GuardParts;
  private readonly machine: SafetyMachine;
  private readonly drive: Drive;
  private readonly attached = new Set<Attached>();
  private device: DeviceDescription | undefined;
  /** Why the device that answered is not the one that was configured. */
  private misfit: Error | undefined;
  private observations = 0;
  private episode = 0;
  private resets = 0;
  private readonly resetOf = new Map<number, { who: Attached; id: number }>();
  private closed = false;

  constructor(parts: GuardParts) {
    this.parts = parts;
    const { config, device, clock, listener } = parts;
    this.machine = new SafetyMachine(config, (event) => this.tell(event));
    const sent = (setpoint: Setpoint, atMs: number): void => listener.sent?.(setpoint, atMs);
    const missed = (ticks: number): void => listener.missed?.(ticks);
    this.drive = new Drive({ config, device, clock, machine: this.machine, sent, missed });
    device.open({
      up: (description) => this.deviceUp(description),
      down: (reason) => this.deviceDown(reason),
      observed: (observation) => this.observed(observation),
      measured: (positions, atMs) => this.machine.feedback(positions, atMs),
      acknowledged: (number) => this.machine.acknowledge(number),
      warned: (message) => listener.event({ type: "warned", message, atMs: this.now() }),
    });
  }

  /** An operator connects. */
  attach(link: OperatorLink, principal = "local"): Attachment {
    const outlet = new NewestWins<Observed>((message) => link.send(message), credits, merged);
    const who: Attached = { link, principal, outlet, faults: 0 };
    this.attached.add(who);
    return {
      receive: (message) => this.receive(who, message),
      fault: (error) => this.faulty(who, error),
      gone: () => this.detach(who),
    };
  }

  /** Stop; with `latch` stay stopped until `release`. */
  stop(latch = true): void {
    this.machine.stop("requested", this.now(), latch);
    this.drive.emit();
  }

  /** Undo `stop`. */
  release(): void {
    this.machine.release();
    this.broadcastState();
  }

  /** Whether commands move the robot now, and if not, why. */
  get state(): RobotMessage & { op: "state" } {
    const { armed, stopReason, latched } = this.machine;
    return { op: "state", armed, reason: stopReason, latched };
  }

  /** When the newest setpoint had been handed to the motor's connection, by the guard's clock. */
  get departedMs(): number {
    return this.drive.departedMs;
  }

  /** Why the robot cannot be driven at all; undefined while it can. */
  get trouble(): string | undefined {
    if (this.closed) return "shutting down";
    return this.machine.reachable ? undefined : "the robot is not connected";
  }

  /** Stop the robot, tell every operator, let go of the motor. */
  async close(): Promise<void> {
    this.closed = true;
    this.drive.end();
    this.machine.stop("shutdown", this.now(), true);
    this.drive.emit();
    for (const { link } of this.attached) link.close("the robot is shutting down");
    await this.parts.device.close();
  }

  private now(): number {
    return this.parts.clock.now();
  }

  private receive(who: Attached, message: OperatorMessage): void {
    if (this.closed) return;
    try {
      if (message.op === "hello") this.greet(who, message);
      else if (who.session === undefined) fail({ code: "PROTOCOL", what: `"${message.op}" before "hello"` });
      else this.obey(who, who.session, message);
    } catch (error) {
      this.faulty(who, error);
    }
  }

  private obey(who: Attached, session: OperatorSession, message: OperatorMessage): void {
    const { machine } = this;
    if (message.op === "act") this.act(who, session, message);
    else if (message.op === "hb") {
      machine.heartbeat(session.id, session.epoch, this.now(), message.observed);
      who.link.send({ op: "pong", stamp: this.now(), t: message.t });
    } else if (message.op === "credit") who.outlet.acknowledge();
    else if (message.op === "reset") this.reset(who, session.id, message);
    else if (message.op === "stop") this.stop(message.latch);
    else if (message.op === "release") this.release();
    else
      fail({
        code: "PROTOCOL",
        what: "unknown message",
        got: JSON.stringify((message as { op: unknown }).op),
      });
  }

  /** A message that cannot be understood is a doubt, and doubt stops the robot. */
  private faulty(who: Attached, error: unknown): void {
    const known = error instanceof ReverieError;
    if (who.session !== undefined) this.machine.fault(who.session.id, this.now());
    this.drive.emit();
    who.link.send({ op: "error", code: known ? error.code : "PROTOCOL", message: String(error) });
    who.faults += 1;
    if (who.session === undefined || who.faults > maxFaults)
      who.link.close("too many messages that make no sense");
  }

  private greet(who: Attached, hello: OperatorMessage & { op: "hello" }): void {
    const { config } = this.parts;
    if (hello.protocol !== protocolVersion) {
      fail({
        code: "PROTOCOL",
        what: "another protocol version",
        expected: `${protocolVersion}`,
        got: `${hello.protocol}`,
      });
    }
    if (hello.channels !== undefined) checkNames(config, hello.channels);
    if (this.misfit !== undefined) throw this.misfit;
    if (this.device === undefined) {
      // It is answered when the robot is there; whether to wait so long is the operator's to decide.
      who.hello = hello;
      return;
    }
    if (who.session !== undefined) fail({ code: "PROTOCOL", what: "a second hello on one connection" });
    const id = typeof hello.session === "string" && hello.session !== "" ? hello.session : randomUUID();
    const key = JSON.stringify([who.principal, id]);
    this.supersede(key);
    const { epoch, highestSeq } = this.machine.openSession(key, this.now());
    who.session = { id: key, epoch, openedMs: this.now() };
    who.link.send({
      op: "welcome",
      protocol: protocolVersion,
      session: id,
      epoch,
      seq: highestSeq,
      stamp: this.now(),
      channels: config.channels,
      lease_ms: config.leaseMs,
      heartbeat_ms: config.heartbeatMs,
      max_action_age_ms: config.maxActionAgeMs,
      device: this.device,
    });
    this.drive.emit();
  }

  private supersede(id: string): void {
    for (const other of this.attached) {
      if (other.session?.id !== id) continue;
      this.detach(other);
      other.link.close("the session was resumed on another connection");
    }
  }

  private detach(who: Attached): void {
    if (!this.attached.delete(who) || who.session === undefined) return;
    this.machine.closeSession(who.session.id, who.session.epoch, this.now());
    this.drive.emit();
  }

  private act(who: Attached, session: OperatorSession, message: OperatorMessage & { op: "act" }): void {
    const { actions, seq } = message;
    const width = this.parts.config.channels.length;
    const fits = isNdArray(actions) && actions.shape.length === 2 && actions.shape[1] === width;
    const verdict = this.machine.command(
      {
        sessionId: session.id,
        epoch: session.epoch,
        seq,
        values: fits ? floatsOf(actions) : new Float64Array(),
        stepSeconds: message.step_seconds,
        observedMs: message.observed,
        startMs: message.start,
      },
      this.now(),
    );
    if (!verdict.accepted)
      who.link.send({ op: "refused", seq, reason: verdict.refusal, stopped: verdict.stopped });
    this.drive.emitSoon();
  }

  private reset(who: Attached, session: string, message: OperatorMessage & { op: "reset" }): void {
    const { machine } = this;
    if (machine.armed && machine.controllerId !== session) {
      fail({
        code: "RUN_BUSY",
        what: "another operator drives this robot",
        fix: "wait until it has stopped",
      });
    }
    machine.stop("reset", this.now());
    this.drive.emit();
    this.resets += 1;
    const { id, seed, options } = message;
    this.resetOf.set(this.resets, { who, id });
    if (this.device?.resets === true) this.parts.device.reset({ id: this.resets, seed, options });
  }

  /** A robot that cannot be put back begins the episode where it is: with the next observation. */
  private resetIdOf(observation: DeviceObservation): number | undefined {
    return this.device?.resets === true ? observation.resetId : [...this.resetOf.keys()].at(-1);
  }

  private observed(observation: DeviceObservation): void {
    const { arrays, capturedMs, reward, terminated, truncated } = observation;
    const wrong = difference(this.device, arrays);
    if (wrong !== undefined) {
      // Not shown to anybody: operators that see nothing fall silent, and the robot stops.
      this.parts.listener.event({
        type: "warned",
        message: `dropped an observation: ${wrong}`,
        atMs: this.now(),
      });
      return;
    }
    const resetId = this.resetIdOf(observation);
    const reset = resetId === undefined ? undefined : this.resetOf.get(resetId);
    if (resetId !== undefined) {
      this.resetOf.clear();
      this.episode += 1;
    }
    const n = this.observations++;
    const { episode } = this;
    const applied = this.drive.takeApplied();
    const message = {
      op: "obs",
      n,
      episode,
      stamp: capturedMs,
      arrays,
      reward,
      terminated,
      truncated,
    } as const;
    for (const who of this.attached) {
      // An action may only answer what was seen on its own connection.
      if (who.session === undefined || capturedMs < who.session.openedMs) continue;
      const own = reset?.who === who ? reset.id : undefined;
      const heard = this.machine.highestSeq(who.session.id);
      who.outlet.offer({ ...message, reset: own, heard, applied, stopped: this.machine.stopReason });
    }
  }

  private deviceUp(description: DeviceDescription): void {
    try {
      checkNames(this.parts.config, description.channels);
      this.misfit = undefined;
    } catch (error) {
      this.misfit = error as Error;
      this.parts.listener.event({ type: "device", up: false, reason: String(error), atMs: this.now() });
    }
    if (this.misfit === undefined) {
      this.device = description;
      this.machine.connectDevice(description);
      this.parts.listener.event({ type: "device", up: true, reason: description.name, atMs: this.now() });
      this.drive.emit();
    }
    for (const who of this.attached) {
      const { hello } = who;
      who.hello = undefined;
      if (hello !== undefined) this.receive(who, hello);
    }
  }

  private deviceDown(reason: string): void {
    this.resetOf.clear();
    this.machine.loseDevice(this.now());
    this.parts.listener.event({ type: "device", up: false, reason, atMs: this.now() });
  }

  private tell(event: SafetyEvent): void {
    this.parts.listener.event(event);
    if (event.type !== "refused") this.broadcastState();
  }

  private broadcastState(): void {
    const { state } = this;
    for (const { link, session } of this.attached) if (session !== undefined) link.send(state);
  }
}

/** An observation that takes the place of one that was never sent says what happened meanwhile: reset, rewards, the end. */
function merged(older: Observed, newer: Observed): Observed {
  const reset = newer.reset ?? older.reset;
  if (newer.episode !== older.episode) return { ...newer, reset };
  return {
    ...newer,
    reset,
    reward: older.reward + newer.reward,
    terminated: older.terminated || newer.terminated,
    truncated: older.truncated || newer.truncated,
  };
}

/** How an observation differs from what the device announced. */
function difference(
  device: DeviceDescription | undefined,
  arrays: DeviceObservation["arrays"],
): string | undefined {
  const announced = Object.entries(device?.observation ?? {});
  if (Object.keys(arrays).length !== announced.length) return `it has ${Object.keys(arrays).length} arrays`;
  for (const [name, { dtype, shape }] of announced) {
    const array = arrays[name];
    if (array === undefined) return `"${name}" is missing`;
    const same = array.dtype === dtype && array.shape.join() === shape.join();
    if (!same)
      return `"${name}" is ${array.dtype} [${array.shape.join(", ")}], not ${dtype} [${shape.join(", ")}]`;
  }
  return undefined;
}

function floatsOf({ data }: NdArray): Float64Array {
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  return wide ? Float64Array.from(data as BigInt64Array, Number) : new Float64Array(data);
}
