/** @file A robot behind its dead-man: started here, run on a thread of its own, and the only way to the motor. */

import { MessageChannel } from "node:worker_threads";
import type { MessagePort, Worker } from "node:worker_threads";

import { Subject } from "rxjs";
import type { Observable } from "rxjs";

import { ReverieError, fail } from "../core/errors.ts";
import { overPort, overSocket } from "./safety/channel.ts";
import type { SocketOptions } from "./safety/channel.ts";
import { parseSafety } from "./safety/channels.ts";
import type { SafetyInput } from "./safety/channels.ts";
import { parseDevice } from "./safety/devices.ts";
import type { DeviceInput } from "./safety/devices.ts";
import type { GuardEvent } from "./safety/guard.ts";
import { RobotEnv } from "./safety/robot-env.ts";
import type { RobotEnvOptions } from "./safety/robot-env.ts";
import { RobotSession } from "./safety/robot-session.ts";
import type { SessionOptions } from "./safety/robot-session.ts";
import type { HostMessage, SafetyWorkerData, WorkerMessage } from "./safety/safety-worker.ts";
import type { ListenerOptions } from "./server/listener.ts";
import { startWorker } from "./server/worker.ts";

/** Where operators may connect; plain data, because the listener lives on the guard's thread. */
export type GateOptions = Omit<ListenerOptions, "routes" | "protocols" | "health" | "onEvent">;

/** Settings of a robot. */
export interface RobotOptions {
  readonly safety: SafetyInput;
  readonly device: DeviceInput;
  /** Let operators of other processes connect. */
  readonly listen?: GateOptions;
}

/** What happens to a robot: its guard's events, and its thread's end. */
export type RobotEvent = GuardEvent | { readonly type: "thread-lost"; readonly message: string };

/** Longest wait for the last stop when the process exits. */
const exitWaitMs = 200;

/** A running robot. */
export class Robot {
  /** Where operators connect, if `listen` was given. */
  readonly url: string | undefined;
  /** Whether the system runs the guard's thread before others. */
  readonly raised: boolean;
  private readonly subject = new Subject<RobotEvent>();
  private readonly worker: Worker;
  private readonly stopped: Int32Array;
  private readonly onExit = (): void => this.stopBeforeExit();
  private closing: Promise<void> | undefined;
  private ended = false;

  constructor(worker: Worker, stopped: Int32Array, ready: WorkerMessage & { type: "ready" }) {
    this.worker = worker;
    this.stopped = stopped;
    this.url = ready.url;
    this.raised = ready.raised;
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "event") this.subject.next(message.event);
      if (message.type === "failed") this.subject.next({ type: "thread-lost", message: message.message });
    });
    worker.on("error", (error) => this.subject.next({ type: "thread-lost", message: String(error) }));
    worker.once("exit", () => {
      this.ended = true;
      process.off("exit", this.onExit);
      this.subject.complete();
    });
    process.once("exit", this.onExit);
  }

  /** Arming, stops with their reasons, refusals, and the motor's connection; completes when the robot is closed. */
  get events(): Observable<RobotEvent> {
    return this.subject.asObservable();
  }

  /** An operator's session in this process. @throws PROTOCOL, CONNECTION_LOST */
  async connect(options: SessionOptions & RobotEnvOptions = {}): Promise<RobotEnv> {
    const session = new RobotSession(
      overPort(() => this.link()),
      options,
    );
    await session.open();
    return new RobotEnv(session, options);
  }

  /** Stop, and stay stopped until `release`. */
  stop(): void {
    this.post({ type: "stop" });
  }

  /** Undo `stop`. */
  release(): void {
    this.post({ type: "release" });
  }

  /** Stop the motor, end every session, end the thread. Idempotent. */
  close(): Promise<void> {
    this.closing ??= new Promise((resolve) => {
      if (this.ended) return resolve();
      this.worker.once("exit", () => resolve());
      this.worker.on("message", (message: WorkerMessage) => {
        if (message.type === "closed") void this.worker.terminate();
      });
      this.post({ type: "close" });
    });
    return this.closing;
  }

  private link(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.worker.postMessage({ type: "link", port: port2 } satisfies HostMessage, [port2]);
    return port1;
  }

  private post(message: HostMessage): void {
    this.worker.postMessage(message);
  }

  /** The process ends without `close`: hold it until the guard's thread has told the motor to stop. */
  private stopBeforeExit(): void {
    if (this.ended || Atomics.load(this.stopped, 0) === 1) return;
    this.post({ type: "close" });
    Atomics.wait(this.stopped, 0, 0, exitWaitMs);
  }
}

/**
 * Start a robot's guard on its own thread; it connects to the motor, stops it, and waits for operators.
 *
 * @throws INVALID_CONFIG, UNAUTHORIZED (a public address without a token), WORKER_FAILED
 */
export async function openRobot(options: RobotOptions): Promise<Robot> {
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const { listen } = options;
  const data = {
    config: parseSafety(options.safety),
    device: parseDevice(options.device),
    listen,
    stopped,
  } satisfies SafetyWorkerData;
  const worker = startWorker("./safety/safety-worker", import.meta.url, data);
  const ready = await new Promise<WorkerMessage & { type: "ready" }>((resolve, reject) => {
    worker.once("error", (error) => reject(workerError(error)));
    worker.once("exit", () => reject(workerError("it ended before it was ready")));
    worker.on("message", function first(message: WorkerMessage) {
      if (message.type === "failed") reject(workerError(message.message));
      if (message.type !== "ready") return;
      worker.off("message", first);
      resolve(message);
    });
  });
  return new Robot(worker, stopped, ready);
}

function workerError(cause: unknown): ReverieError {
  if (cause instanceof ReverieError) return cause;
  return new ReverieError({
    code: "WORKER_FAILED",
    what: "the robot's safety thread failed",
    got: String(cause),
    cause,
  });
}

/** Connect to a robot whose process listens at `url`. @throws PROTOCOL, CONNECTION_LOST */
export async function connectRobot(
  url: string,
  options: SocketOptions & SessionOptions & RobotEnvOptions = {},
): Promise<RobotEnv> {
  if (!/^wss?:\/\//.test(url))
    fail({ code: "INVALID_ARGUMENT", what: "a robot's address begins with ws:// or wss://", got: url });
  const session = new RobotSession(overSocket(url, options), options);
  await session.open();
  return new RobotEnv(session, options);
}
