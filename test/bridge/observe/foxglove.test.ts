/** @file The Foxglove outlet, by its bytes: what a viewer sends and gets, and what a slow one misses. */

import { once } from "node:events";

import { Subject } from "rxjs";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { openFoxglove } from "../../../src/bridge/foxglove.ts";
import type { FoxgloveOutlet } from "../../../src/bridge/foxglove.ts";
import { showAgent } from "../../../src/bridge/observe/foxglove-topics.ts";

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function outletOf(): Promise<FoxgloveOutlet> {
  const outlet = await openFoxglove("lab", { port: 0 });
  closing.push(() => outlet.close());
  return outlet;
}

interface Viewer {
  readonly socket: WebSocket;
  readonly texts: Record<string, unknown>[];
  readonly packets: Buffer[];
  seen(count: number): Promise<void>;
}

async function viewerOf(outlet: FoxgloveOutlet, protocols = ["foxglove.websocket.v1"]): Promise<Viewer> {
  const socket = new WebSocket(outlet.url, protocols);
  const texts: Record<string, unknown>[] = [];
  const packets: Buffer[] = [];
  socket.on("message", (data: Buffer, binary: boolean) => {
    if (binary) packets.push(data);
    else texts.push(JSON.parse(data.toString()) as Record<string, unknown>);
  });
  await once(socket, "open");
  closing.push(() => socket.terminate());
  const viewer = {
    socket,
    texts,
    packets,
    async seen(count: number) {
      while (texts.length + packets.length < count) await once(socket, "message");
    },
  };
  await viewer.seen(1);
  return viewer;
}

const options = { topic: "/state", schemaName: "S", schema: { type: "object" } };

describe("a viewer", () => {
  it("is told the server and its topics, under the subprotocol it asked for", async () => {
    const outlet = await outletOf();
    outlet.topic(options);
    const viewer = await viewerOf(outlet, ["foxglove.sdk.v1", "foxglove.websocket.v1"]);
    await viewer.seen(2);
    expect(viewer.socket.protocol).toBe("foxglove.sdk.v1");
    expect(viewer.texts[0]).toMatchObject({
      op: "serverInfo",
      name: "lab",
      capabilities: [],
      supportedEncodings: ["json"],
    });
    const channel = {
      id: 1,
      topic: "/state",
      encoding: "json",
      schemaName: "S",
      schema: '{"type":"object"}',
    };
    expect(viewer.texts[1]).toMatchObject({ op: "advertise", channels: [channel] });
    outlet.topic({ ...options, topic: "/later" });
    await viewer.seen(3);
    expect(viewer.texts[2]).toMatchObject({ op: "advertise", channels: [{ id: 2, topic: "/later" }] });
  });

  it("gets messages of subscribed topics as opcode, subscription, nanoseconds and payload", async () => {
    const outlet = await outletOf();
    const publish = outlet.topic(options);
    const viewer = await viewerOf(outlet);
    publish(() => expect.unreachable("nobody subscribes yet"));
    viewer.socket.send(
      JSON.stringify({
        op: "subscribe",
        subscriptions: [
          { id: 258, channelId: 1 },
          { id: 3, channelId: 99 },
        ],
      }),
    );
    viewer.socket.send(JSON.stringify({ op: "nonsense" })); // its answer shows that the subscription has been taken
    await viewer.seen(3);
    publish(() => ({ x: 1 }), 0x2a36fe9c97 / 1e6);
    await viewer.seen(4);
    expect(viewer.packets[0].toString("hex")).toBe(
      `01${"02010000"}${"979cfe362a000000"}${Buffer.from('{"x":1}').toString("hex")}`,
    );
    viewer.socket.send(JSON.stringify({ op: "unsubscribe", subscriptionIds: [258] }));
    viewer.socket.send("not json");
    await viewer.seen(5);
    publish(() => expect.unreachable("nobody subscribes any more"));
  });

  it("that is slow misses old messages and gets the newest, and a big topic does not starve a small one", async () => {
    const outlet = await outletOf();
    const [big, small] = [outlet.topic(options), outlet.topic({ ...options, topic: "/small" })];
    const viewer = await viewerOf(outlet);
    viewer.socket.send(
      JSON.stringify({
        op: "subscribe",
        subscriptions: [
          { id: 1, channelId: 1 },
          { id: 2, channelId: 2 },
        ],
      }),
    );
    viewer.socket.send("?");
    await viewer.seen(3);
    viewer.socket.pause();
    const padding = "x".repeat(1 << 20);
    for (let n = 0; n < 60; n++) {
      big(() => ({ n, padding }));
      small(() => ({ n }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    viewer.socket.resume();
    const numbers = (id: number): number[] =>
      viewer.packets
        .filter((packet) => packet.readUInt32LE(1) === id)
        .map((packet) => (JSON.parse(packet.subarray(13).toString()) as { n: number }).n);
    while (numbers(1).at(-1) !== 59 || numbers(2).at(-1) !== 59) await once(viewer.socket, "message");
    expect(numbers(1).length).toBeLessThan(30);
  });
});

it("an agent is shown with its camera, its actions and its log", async () => {
  const outlet = await outletOf();
  const frames = new Subject<{ frame: ReturnType<typeof ndarray<"uint8">> }>();
  const actions = new Subject<{ wanted: ReturnType<typeof float32>; executed: undefined }>();
  const events = new Subject<{ type: string; error?: Error }>();
  const shown = showAgent(outlet, { frames, actions, events }, ["steer", "accelerate"]);
  const viewer = await viewerOf(outlet);
  viewer.socket.send(
    JSON.stringify({ op: "subscribe", subscriptions: [1, 2, 3].map((id) => ({ id, channelId: id })) }),
  );
  viewer.socket.send("?");
  await viewer.seen(3);
  frames.next({ frame: ndarray("uint8", [1, 1, 2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)) });
  actions.next({ wanted: float32([0.5, -1], [1, 2]), executed: undefined });
  events.next({ type: "failed", error: new Error("no GPU") });
  await viewer.seen(6);
  const bodies = viewer.packets.map(
    (packet) => JSON.parse(packet.subarray(13).toString()) as Record<string, unknown>,
  );
  expect(bodies[0]).toMatchObject({ width: 2, height: 1, encoding: "rgb8", step: 6, data: "AQIDBAUG" });
  expect(bodies[1]).toEqual({ wanted: { steer: 0.5, accelerate: -1 } });
  expect(bodies[2]).toMatchObject({ level: 4, message: '{"type":"failed","error":"no GPU"}' });
  shown.unsubscribe();
});
