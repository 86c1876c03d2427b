/** @file Live channels: the newest wins, whoever is slow. */

import { afterEach, describe, expect, it } from "vitest";
import { openRemoteStream } from "../../../src/bridge/remote-stream.ts";
import { openStreamServer, type StreamServer } from "../../../src/bridge/stream-server.ts";
import { NewestWins } from "../../../src/bridge/wire/credits.ts";
import { type NdArray, zeros } from "../../../src/core/ndarray.ts";
import { connect } from "./socket.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(port = 0): Promise<StreamServer> {
  const server = await openStreamServer({ port, channels: ["camera", "state"] });
  cleanups.push(() => server.close());
  return server;
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe("NewestWins", () => {
  it("sends by credit and keeps only the newest offer", () => {
    const sent: number[] = [];
    const sender = new NewestWins<number>((item) => sent.push(item), 2);
    for (let i = 0; i < 6; i++) sender.offer(i);
    expect([sent, sender.outstanding, sender.superseded]).toEqual([[0, 1], 2, 3]);
    sender.acknowledge();
    expect(sent).toEqual([0, 1, 5]);
    sender.acknowledge(50);
    for (let i = 6; i < 10; i++) sender.offer(i);
    expect(sent).toEqual([0, 1, 5, 6, 7]);
    sender.reset();
    sender.offer(10);
    expect(sent).toEqual([0, 1, 5, 6, 7, 10]);
  });
});

describe("streams", () => {
  it("reach every viewer of the channel, and nobody else, each by its own credit", async () => {
    const server = await serve();
    const [camera, state] = [await connect(server.url), await connect(server.url)];
    expect(camera.metadata).toEqual({
      reverie: { protocol: 1, kind: "stream", channels: ["camera", "state"] },
    });
    camera.wire.send({ op: "subscribe", channel: "camera", credits: 1 });
    state.wire.send({ op: "subscribe", channel: "state" });
    await until(() => server.viewers("camera") + server.viewers("state") === 2);
    for (let x = 0; x < 5; x++) {
      server.publish("camera", { x });
      server.publish("state", { x: -x });
    }
    expect(await camera.wire.map()).toEqual({ op: "stream", channel: "camera", n: 0, x: 0 });
    camera.wire.send({ op: "ack", channel: "camera" });
    expect(await camera.wire.map()).toMatchObject({ n: 4, x: 4 });
    expect(await state.wire.map()).toMatchObject({ x: -0 });
    expect(await state.wire.map()).toMatchObject({ x: -1 });
    camera.wire.close();
    await until(() => server.viewers("camera") === 0);
  });

  it("compress frames for viewers who ask for it, of memory that may be reused at once", async () => {
    const server = await serve();
    const seen: number[] = [];
    const stream = await openRemoteStream({
      url: server.url,
      channel: "camera",
      frames: "png",
      onMessage: ({ frame }) => void seen.push((frame as NdArray<"uint8">).data[0]),
    });
    cleanups.push(() => stream.close());
    await until(() => server.viewers("camera") === 1);
    const frame = zeros("uint8", [32, 32, 3]);
    for (let i = 1; i <= 20; i++) {
      frame.data.fill(i);
      server.publish("camera", { frame });
    }
    frame.data.fill(0);
    await until(() => seen.at(-1) === 20);
    expect(seen).not.toContain(0);
    expect(seen.length).toBeLessThan(20);
  });

  it("give a viewer one message at a time, and go on after a restart of the server", async () => {
    const first = await serve();
    let inside = 0;
    const seen: number[] = [];
    const stream = await openRemoteStream({
      url: first.url,
      channel: "state",
      backoff: { firstMs: 5, lastMs: 20 },
      onMessage: async ({ x }) => {
        expect(++inside).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 3));
        inside--;
        seen.push(x as number);
      },
    });
    cleanups.push(() => stream.close());
    await until(() => first.viewers("state") === 1);
    for (let x = 0; x < 10; x++) first.publish("state", { x });
    await until(() => seen.includes(9));
    await first.close();
    const second = await serve(first.port);
    await until(() => second.viewers("state") === 1);
    second.publish("state", { x: 100 });
    await until(() => seen.includes(100));
  });

  it("refuse unknown channels and close for garbage", async () => {
    const server = await serve();
    const { wire } = await connect(server.url);
    expect(await wire.ask({ op: "subscribe", channel: "x" })).toMatchObject({ code: "UNKNOWN_NAME" });
    expect(await wire.ask({ op: "hb", t_mono: 1 })).toEqual({ op: "hb", t_mono: 1 });
    wire.send(new Uint8Array([0xc1]));
    expect(await wire.map()).toMatchObject({ code: "PROTOCOL" });
    expect((await wire.closed).code).toBe(1007);
  });
});
