/** @file What the dead-man costs: its arithmetic alone, and an action's way to the motor with and without it, in one run. */

import { once } from "node:events";
import { parseArgs } from "node:util";
import { writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";

import { WebSocket } from "ws";

import { decodeMap, encode } from "../src/bridge/codec.ts";
import { openRobot } from "../src/bridge/safety.ts";
import { parseSafety } from "../src/bridge/safety/channels.ts";
import type { SafetyInput } from "../src/bridge/safety/channels.ts";
import { monotonicClock } from "../src/bridge/safety/device.ts";
import { openDevicePort } from "../src/bridge/safety/device-port.ts";
import { SafetyMachine } from "../src/bridge/safety/machine.ts";
import { float32 } from "../src/core/ndarray.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    count: { type: "string", default: "1500" },
    warmup: { type: "string", default: "3000" },
  },
});
const count = Number(values.count);
/** Actions back to back before those with pauses: a robot drives for hours, so the compiler is done for all of its time. */
const warmup = Number(values.warmup);
const width = 7;
const channels: SafetyInput["channels"] = Array.from({ length: width }, (_, i) => ({
  name: `joint${i}`,
  kind: "position",
  position: [-3, 3],
  velocity: 2,
  acceleration: 20,
  home: 0,
}));

interface Row {
  readonly name: string;
  readonly p50Us: number;
  readonly p99Us: number;
}

function rowOf(name: string, microseconds: number[]): Row {
  const sorted = microseconds.toSorted((a, b) => a - b);
  return {
    name,
    p50Us: sorted[Math.floor(sorted.length / 2)],
    p99Us: sorted[Math.floor(sorted.length * 0.99)],
  };
}

/** One command and one setpoint of a 7-joint arm, limits and all. */
function arithmetic(): Row {
  const machine = new SafetyMachine(parseSafety({ channels }));
  machine.connectDevice({ acknowledges: true, measures: false });
  const { epoch } = machine.openSession("bench", 0);
  const took: number[] = [];
  for (let seq = 0; seq < 50_000; seq++) {
    const nowMs = seq * 2;
    const goal = Math.sin(seq / 100);
    const startMs = performance.now();
    const actions = Float64Array.from({ length: width }, () => goal);
    machine.command(
      { sessionId: "bench", epoch, seq, values: actions, stepSeconds: 0.02, observedMs: nowMs },
      nowMs,
    );
    machine.tick(nowMs + 1);
    if (seq > 1000) took.push((performance.now() - startMs) * 1000);
  }
  return rowOf("arithmetic: command and setpoint, 7 joints", took);
}

/** A relay on a thread of its own: what the same hop costs without any check. */
async function openRelay(target: string): Promise<{ url: string; close: () => Promise<number[]> }> {
  const code = `
    const { WebSocket, WebSocketServer } = require("ws");
    const { parentPort, workerData } = require("node:worker_threads");
    const out = new WebSocket(workerData, { perMessageDeflate: false });
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    const took = [];
    server.on("connection", (socket) => socket.on("message", (data) => {
      const arrivedMs = performance.now();
      out.send(data);
      took.push((performance.now() - arrivedMs) * 1000);
    }));
    parentPort.on("message", () => parentPort.postMessage(took));
    out.on("open", () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(code, { eval: true, workerData: target });
  const [port] = (await once(worker, "message")) as [number];
  const close = async (): Promise<number[]> => {
    worker.postMessage("how long?");
    const [took] = (await once(worker, "message")) as [number[]];
    await worker.terminate();
    return took;
  };
  return { url: `ws://127.0.0.1:${port}`, close };
}

interface Motor {
  readonly url: string;
  /** Resolves when the next setpoint whose first number is `value` arrives. */
  arrival(value: number): Promise<void>;
  close(): Promise<void>;
}

async function openMotor(): Promise<Motor> {
  let wanted: { value: number; resolve: () => void } | undefined;
  const port = await openDevicePort(
    {
      name: "bench",
      channels: channels.map(({ name }) => name),
      observation: { state: { dtype: "float32", shape: [1] } },
      acknowledges: false,
      measures: false,
      resets: false,
      rateHz: 100,
    },
    {
      set(setpoint) {
        if (wanted !== undefined && Math.abs(setpoint[0] - wanted.value) < 1e-6) wanted.resolve();
      },
      gone: () => undefined,
    },
    { port: 0 },
  );
  const timer = setInterval(() => port.observe({ arrays: { state: float32([0]) } }), 200);
  return {
    url: port.url,
    arrival: (value) => new Promise((resolve) => (wanted = { value, resolve })),
    async close() {
      clearInterval(timer);
      await port.close();
    },
  };
}

async function connected(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, "open");
  return socket;
}

/** Microseconds in two phases: back to back (its last thousand), and with the few milliseconds that a control loop leaves. */
interface Phases<T> {
  readonly dense: T;
  readonly paced: T;
}

function phasesOf(took: readonly number[]): Phases<number[]> {
  return { dense: took.slice(Math.max(0, warmup - 1000), warmup), paced: took.slice(warmup) };
}

/** Times from sending to arrival; `between` is called after the first phase. */
async function timeWay(
  motor: Motor,
  send: (value: number, seq: number) => void,
  between?: () => Promise<void>,
): Promise<Phases<number[]>> {
  const took: number[] = [];
  for (let seq = 0; seq < warmup + count; seq++) {
    if (seq === warmup) await between?.();
    if (seq >= warmup) await new Promise((resolve) => setTimeout(resolve, 2 + 3 * Math.random()));
    // Small steps, so that no limit holds the setpoint back and its arrival can be told from the one before.
    const value = ((seq % 1000) + 1) * 1e-5;
    const arrived = motor.arrival(value);
    const startMs = monotonicClock.now();
    send(value, seq);
    await Promise.race([arrived, new Promise((resolve) => setTimeout(resolve, 200))]);
    took.push((monotonicClock.now() - startMs) * 1000);
  }
  return phasesOf(took);
}

async function throughRelay(): Promise<Row[]> {
  const motor = await openMotor();
  const relay = await openRelay(motor.url);
  const socket = await connected(relay.url);
  const took = await timeWay(motor, (value, number) => {
    const values7 = { dtype: "float64" as const, shape: [width], data: new Float64Array(width).fill(value) };
    socket.send(encode({ op: "set", number, stop: false, values: values7 }));
  });
  socket.terminate();
  const inside = phasesOf(await relay.close());
  await motor.close();
  return phaseNames.flatMap((phase) => [
    rowOf(`way to the motor: bare relay of bytes, ${phase}`, took[phase]),
    rowOf(`inside the relay: arrival to departure, ${phase}`, inside[phase]),
  ]);
}

async function throughGuard(): Promise<Row[]> {
  const motor = await openMotor();
  const free = channels.map((channel) => ({ ...channel, acceleration: undefined }));
  const robot = await openRobot({
    safety: { channels: free, gapMs: 0.1, leaseMs: 5000, holdMs: 5000 },
    device: { kind: "websocket", url: motor.url },
    listen: { port: 0 },
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const socket = await connected(robot.url as string);
  let observed: number | undefined;
  socket.on("message", (data: Buffer) => {
    const { op, stamp } = decodeMap(data);
    if (op === "welcome" || op === "obs") observed = stamp as number;
    if (op === "obs") socket.send(encode({ op: "credit" }));
  });
  socket.send(encode({ op: "hello", protocol: 1 }));
  while (observed === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  const dense: Row[] = [];
  const took = await timeWay(
    motor,
    (value, seq) => {
      const actions = float32(new Float32Array(width).fill(value), [1, width]);
      socket.send(encode({ op: "act", seq, observed, step_seconds: 0.1, actions }));
    },
    async () => void dense.push(await insideGuard(robot.url as string, "dense")),
  );
  const paced = await insideGuard(robot.url as string, "paced");
  socket.terminate();
  await robot.close();
  await motor.close();
  return [
    ...phaseNames.map((phase) => rowOf(`way to the motor: through the guard, ${phase}`, took[phase])),
    ...dense,
    paced,
  ];
}

/** What the guard itself says of its newest 1024 actions. */
async function insideGuard(url: string, phase: string): Promise<Row> {
  const metrics = await (await fetch(`${url.replace("ws", "http")}/metrics`)).text();
  const inside = (q: string): number =>
    Number(new RegExp(`action_seconds{quantile="${q}"} (\\S+)`).exec(metrics)?.[1]) * 1e6;
  return {
    name: `inside the guard: arrival to departure, ${phase}`,
    p50Us: inside("0.5"),
    p99Us: inside("0.99"),
  };
}

/** Back to back, and with pauses. */
const phaseNames = ["dense", "paced"] as const;
const rows = [arithmetic()];
for (let round = 0; round < 2; round++) rows.push(...(await throughRelay()), ...(await throughGuard()));
const p50 = (name: string, phase: string): number => {
  const found = rows
    .filter((row) => row.name.includes(name) && row.name.endsWith(phase))
    .map(({ p50Us }) => p50Us);
  return found.reduce((a, b) => a + b, 0) / found.length;
};
const added = phaseNames.map((phase) => ({
  phase,
  insideUs: p50("inside the guard", phase) - p50("inside the relay", phase),
  wayUs: p50("through", phase) - p50("bare", phase),
}));
for (const { name, p50Us, p99Us } of rows) {
  console.log(
    `${name.padEnd(50)} p50 ${p50Us.toFixed(1).padStart(8)} µs   p99 ${p99Us.toFixed(1).padStart(8)} µs`,
  );
}
for (const { phase, insideUs, wayUs } of added) {
  console.log(
    `${phase}: the guard adds ${insideUs.toFixed(1)} µs p50 to an action's way (aim: < 50 µs); end to end ${wayUs.toFixed(1)} µs`,
  );
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ rows, added }, null, 2));
process.exit(0);
