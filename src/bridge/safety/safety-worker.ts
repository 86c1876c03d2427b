/** @file The guard's own thread: its clock, its timer and the motor's socket run here, whatever the main thread does. */

import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";

import { Metrics, metricsRoute } from "../metrics.ts";
import { bridgeMetrics } from "../observe/bridge-metrics.ts";
import { guardMetrics } from "../observe/guard-metrics.ts";
import type { Listener, ListenerOptions } from "../server/listener.ts";
import type { SafetyConfig } from "./channels.ts";
import { monotonicClock } from "./device.ts";
import { makeDevice } from "./devices.ts";
import type { parseDevice } from "./devices.ts";
import { openGate } from "./gate.ts";
import { Guard } from "./guard.ts";
import type { GuardEvent } from "./guard.ts";
import type { OperatorMessage } from "./protocol.ts";

/** What the host passes in. */
export interface SafetyWorkerData {
  readonly config: SafetyConfig;
  readonly device: ReturnType<typeof parseDevice>;
  readonly listen?: ListenerOptions;
  /** Int32 [1]: set to 1 and notified when the motor has been told to stop for good. */
  readonly stopped: Int32Array;
}

/** Host → worker. */
export type HostMessage =
  | { readonly type: "link"; readonly port: MessagePort }
  | { readonly type: "stop" | "release" | "close" };

/** Worker → host. */
export type WorkerMessage =
  | { readonly type: "ready"; readonly url?: string; readonly raised: boolean }
  | { readonly type: "event"; readonly event: GuardEvent }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "closed" };

/** Ask the system to run this thread before others; needs rights that not every process has. */
function raisePriority(): boolean {
  try {
    setPriority(Number(readlinkSync("/proc/thread-self").split("/").at(-1)), -10);
    return true;
  } catch {
    return false;
  }
}

function linkPort(guard: Guard, port: MessagePort): void {
  const attachment = guard.attach({
    send: (message) => port.postMessage(message),
    close: () => port.close(),
  });
  port.on("message", (message: OperatorMessage) => attachment.receive(message));
  port.on("close", () => attachment.gone());
}

/** The guard and, with `listen`, its door. */
async function start(
  { config, device, listen }: SafetyWorkerData,
  tell: (message: WorkerMessage) => void,
): Promise<{ guard: Guard; gate: Listener | undefined }> {
  const metrics = new Metrics();
  const measure = guardMetrics(metrics);
  const listener = {
    event(event: GuardEvent) {
      measure.event(event);
      tell({ type: "event", event });
    },
    sent: measure.sent,
    missed: measure.missed,
  };
  const motor = await makeDevice(device, monotonicClock);
  const guard = new Guard({ config, device: motor, clock: monotonicClock, listener });
  if (listen === undefined) return { guard, gate: undefined };
  const routes = { "/metrics": metricsRoute(metrics) };
  const gate = await openGate(guard, {
    ...listen,
    routes,
    onEvent: bridgeMetrics(metrics),
    onAction: measure.action,
  });
  return { guard, gate };
}

async function main(): Promise<void> {
  const host = parentPort as MessagePort;
  const { data } = workerData as { data: SafetyWorkerData };
  const tell = (message: WorkerMessage): void => host.postMessage(message);
  const { guard, gate } = await start(data, tell);
  const close = async (): Promise<void> => {
    const closing = guard.close();
    Atomics.store(data.stopped, 0, 1);
    Atomics.notify(data.stopped, 0);
    await closing;
    await gate?.close();
  };
  process.on("uncaughtException", (error) => {
    tell({ type: "failed", message: error.stack ?? error.message });
    void close().finally(() => process.exit(1));
  });
  host.on("message", (message: HostMessage) => {
    if (message.type === "link") linkPort(guard, message.port);
    else if (message.type === "stop") guard.stop();
    else if (message.type === "release") guard.release();
    else void close().then(() => tell({ type: "closed" }));
  });
  tell({ type: "ready", url: gate?.url, raised: raisePriority() });
}

await main();
