/** @file The operators' door: who gets in, what a robot behind it answers, and how an operator comes back after a loss. */

import { once } from "node:events";

import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { float32 } from "../../../src/core/ndarray.ts";
import { decodeMap, encode } from "../../../src/bridge/codec.ts";
import { connectRobot, openRobot } from "../../../src/bridge/safety.ts";
import { openGate } from "../../../src/bridge/safety/gate.ts";
import type { SessionEvent } from "../../../src/bridge/safety/robot-session.ts";
import { openMotor, until } from "./processes.ts";
import { guardRig } from "./rig.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function gateOf(options = {}) {
  const rig = guardRig();
  const gate = await openGate(rig.guard, { port: 0, ...options });
  closing.push(() => gate.close());
  return { ...rig, gate };
}

async function refusal(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const socket = new WebSocket(url, { headers });
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode?: number }];
  socket.on("error", () => undefined);
  socket.terminate();
  return response.statusCode;
}

describe("the gate", () => {
  it("turns away a wrong token or a foreign origin before the guard hears of them", async () => {
    const { gate } = await gateOf({ token: "secret" });
    expect(await refusal(gate.url, { Authorization: "Bearer wrong" })).toBe(401);
    expect(await refusal(gate.url, {})).toBe(401);
    expect(await refusal(gate.url, { Authorization: "Bearer secret", Origin: "https://evil.example" })).toBe(
      403,
    );
    const env = await connectRobot(gate.url, { token: "secret" });
    closing.push(() => env.close());
    expect(env.channelNames).toEqual(["speedMps"]);
  });

  it("does not open on another address without a token", async () => {
    const { guard } = guardRig();
    await expect(async () => openGate(guard, { host: "0.0.0.0", port: 0 })).rejects.toThrow(/UNAUTHORIZED/);
  });

  it("says on /healthz whether the robot can be driven", async () => {
    const { gate, device } = await gateOf();
    const health = async () => (await fetch(`${gate.url.replace("ws", "http")}/healthz`)).status;
    expect(await health()).toBe(200);
    device.events?.down("unplugged");
    expect(await health()).toBe(503);
  });

  it("answers nonsense with a typed error, stops the robot, and closes after too much of it", async () => {
    const { gate, device, clock } = await gateOf();
    const socket = new WebSocket(gate.url);
    closing.push(() => socket.terminate());
    const answers: { op?: unknown; code?: unknown }[] = [];
    socket.on("message", (data: Buffer) => answers.push(decodeMap(data)));
    await once(socket, "open");
    socket.send(encode({ op: "hello", protocol: 1 }));
    socket.send(
      encode({ op: "act", seq: 0, observed: clock.now(), step_seconds: 0.1, actions: float32([1], [1, 1]) }),
    );
    await until(() => answers.some(({ op }) => op === "state"));
    clock.advance(10);
    expect(device.last.kind).toBe("command");
    socket.send(Buffer.from([0xc1, 1, 2]));
    await until(() => answers.some(({ op }) => op === "error"));
    expect(answers.at(-1)).toMatchObject({ op: "error", code: "PROTOCOL" });
    expect(device.last.kind).toBe("stop");
    for (let i = 0; i < 20; i++) socket.send(encode({ op: "act", seq: "x" }));
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1008);
  });

  it("keeps sessions of different tokens apart, whatever names they choose", async () => {
    const { gate, device, clock } = await gateOf({ tokens: { ann: "aaa", bob: "bbb" } });
    const sockets = ["aaa", "bbb"].map(
      (token) => new WebSocket(gate.url, { headers: { Authorization: `Bearer ${token}` } }),
    );
    closing.push(() => sockets.forEach((socket) => socket.terminate()));
    const answers: Record<string, unknown>[][] = [[], []];
    sockets.forEach((socket, i) => socket.on("message", (data: Buffer) => answers[i].push(decodeMap(data))));
    await Promise.all(sockets.map((socket) => once(socket, "open")));
    for (const [i, socket] of sockets.entries()) {
      socket.send(encode({ op: "hello", protocol: 1, session: "same" }));
      await until(() => answers[i].length > 0);
    }
    expect(answers.map(([welcome]) => welcome.seq)).toEqual([-1, -1]);
    sockets[0].send(
      encode({ op: "act", seq: 9, observed: clock.now(), step_seconds: 0.1, actions: float32([1], [1, 1]) }),
    );
    await until(() => answers[0].some(({ op }) => op === "state"));
    clock.advance(10);
    expect(device.last).toMatchObject({ kind: "command", seq: 9 });
    expect(sockets[1].readyState).toBe(WebSocket.OPEN);
  });
});

describe("an operator whose robot's process restarts", () => {
  it("resumes its session mid-episode, and no action sent before is carried out after", async () => {
    const motor = await openMotor();
    closing.push(() => motor.close());
    const safety = { channels: [{ name: "speedMps", kind: "velocity" as const, velocity: 2 }] };
    const device = { kind: "websocket" as const, url: motor.port.url };
    const first = await openRobot({ safety, device, listen: { port: 0 } });
    const port = Number(new URL(first.url as string).port);
    const events: SessionEvent[] = [];
    const env = await connectRobot(first.url as string, { onEvent: (event) => events.push(event) });
    closing.push(() => env.close());
    await env.reset({ seed: 1 });
    await env.step(float32([1], [1, 1]));
    await first.close();
    const stopped = motor.told.length;
    expect(motor.told.at(-1)).toMatchObject({ stop: true, value: 0 });

    const second = await openRobot({ safety, device, listen: { port } });
    closing.push(() => second.close());
    await until(() => events.filter(({ type }) => type === "connected").length === 2);
    expect(motor.told.slice(stopped).every(({ stop }) => stop)).toBe(true);
    const answerToOldNews = await env.step(float32([1], [1, 1]));
    expect(answerToOldNews.infos.stopReason?.values).toEqual(["not-armed"]);
    const batch = await env.step(float32([0.5], [1, 1]));
    expect(batch.infos.executed?.values).toMatchObject({ data: Float64Array.of(0.5) });
    expect(motor.told.slice(stopped).some(({ value }) => value === 1)).toBe(false);
    const metrics = await (await fetch(`${(second.url as string).replace("ws", "http")}/metrics`)).text();
    expect(metrics).toContain("reverie_robot_armed 1");
  });
});
