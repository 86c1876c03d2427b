/** @file The policy server: openpi's sequence for stock clients, and the superset. */

import { afterEach, describe, expect, it } from "vitest";
import { encode, type WireMap } from "../../../src/bridge/codec.ts";
import { openInference } from "../../../src/bridge/inference-host.ts";
import { localInference, type ServedPolicy } from "../../../src/bridge/inference.ts";
import {
  openPolicyServer,
  type PolicyServer,
  type PolicyServerOptions,
} from "../../../src/bridge/policy-server.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32, zeros } from "../../../src/core/ndarray.ts";
import { makePolicy } from "./echo-policy.ts";
import { connect, Wire } from "./socket.ts";

let servers: PolicyServer[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
});

const policyModule = new URL("./echo-policy.ts", import.meta.url).href;

async function serve(
  options: Partial<PolicyServerOptions> = {},
  policy = makePolicy(),
): Promise<PolicyServer> {
  const server = await openPolicyServer({ port: 0, inference: localInference(policy), ...options });
  servers.push(server);
  return server;
}

const actionsOf = (reply: WireMap): number[] => [...(reply.actions as NdArray<"float32">).data];

/** A policy whose batches wait until they are let go, one by one. */
function gated(): { policy: ServedPolicy; batches: number[][]; release: () => void } {
  const batches: number[][] = [];
  const gates: (() => void)[] = [];
  const policy: ServedPolicy = {
    async infer(requests) {
      batches.push(requests.map(({ observation }) => observation.x as number));
      await new Promise<void>((resolve) => gates.push(resolve));
      return requests.map(({ observation }) => ({ actions: float32([observation.x as number], [1, 1]) }));
    },
  };
  return { policy, batches, release: () => gates.shift()?.() };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("stock openpi clients", () => {
  it("get the metadata first, and exactly the policy's own when nothing is announced", async () => {
    const { port } = await serve({ announce: false }, { infer: () => [] });
    const wire = new Wire(`ws://127.0.0.1:${port}/any/path`);
    expect(await wire.map()).toEqual({});
    expect(encode({}).toString("hex")).toBe("80");
  });

  it("get one reply per observation with openpi's timing keys", async () => {
    const { url } = await serve();
    const { wire, metadata } = await connect(url);
    expect(metadata).toMatchObject({ reset_pose: [0.5, 1], reverie: { protocol: 1, kind: "policy" } });
    const first = await wire.ask({ x: 3, "observation/image": zeros("uint8", [8, 8, 3]), prompt: "fork" });
    expect(actionsOf(first)).toEqual([3, 1, 1]);
    expect(Object.keys(first).sort()).toEqual(["actions", "server_timing", "session"]);
    const second = await wire.ask({ x: 4 });
    expect(actionsOf(second)).toEqual([4, 1, 0]);
    const timing = second.server_timing as Record<string, number>;
    expect(Object.keys(timing)).toEqual(["queue_ms", "infer_ms", "prev_total_ms", "encode_ms"]);
    for (const value of Object.values(timing)) expect(value).toBeGreaterThanOrEqual(0);
    expect(timing.encode_ms).toBeGreaterThan(0);
  });

  it("get the error as text and close 1011 when the policy throws, without a stack", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    wire.send({ throw: true });
    expect(await wire.next()).toBe("cannot see");
    expect((await wire.closed).code).toBe(1011);
  });

  it("get text and close 1007 for a message that is no msgpack map", async () => {
    const { url } = await serve();
    for (const hostile of [new Uint8Array([0xc1]), new Uint8Array(), encode([1, 2]), encode(float32([1]))]) {
      const { wire } = await connect(url);
      wire.send(hostile);
      expect(await wire.next()).toMatch(/PROTOCOL/);
      expect((await wire.closed).code).toBe(1007);
    }
  });

  it("are closed with 1003 when they send text, and 1008 when they do not wait for replies", async () => {
    const { policy } = gated();
    const { url } = await serve({}, policy);
    const { wire: texter } = await connect(url);
    texter.send("hello");
    expect((await texter.closed).code).toBe(1003);
    const { wire: rusher } = await connect(url);
    for (let i = 0; i < 8; i++) rusher.send({ x: i });
    expect((await rusher.closed).code).toBe(1008);
  });

  it("reset by endpoint, answered as vllm-omni or as roboarena does", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    await wire.ask({ x: 1, session_id: "a" });
    expect(await wire.ask({ endpoint: "reset", session_id: "a" })).toEqual({ status: "reset successful" });
    expect(actionsOf(await wire.ask({ endpoint: "infer", x: 1, session_id: "a" }))).toEqual([1, 1, 1]);
    const roboarena = await serve({ resetReply: "text" });
    const { wire: other } = await connect(roboarena.url);
    other.send({ endpoint: "reset" });
    expect(await other.next()).toBe("reset successful");
  });

  it("never get an action that is not finite", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    wire.send({ nan: true });
    expect(await wire.next()).toMatch(/NOT_FINITE/);
    expect((await wire.closed).code).toBe(1011);
  });
});

describe("the superset", () => {
  it("echoes seq, episode and the opaque clock, and stamps the epoch", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    expect(await wire.ask({ op: "hello", session_id: "r1" })).toEqual({
      op: "session",
      session_id: "r1",
      epoch: 1,
      last_seq: -1,
      model: null,
    });
    const clock = 2n ** 63n + 1n;
    expect(await wire.ask({ x: 7, session_id: "r1", seq: 5, episode: 2, t_mono: clock })).toMatchObject({
      seq: 5,
      episode: 2,
      epoch: 1,
      t_mono: clock,
    });
    expect(await wire.ask({ op: "hb", t_mono: 12.5 })).toEqual({ op: "hb", t_mono: 12.5 });
  });

  it("answers faults with typed errors and keeps the connection, within a budget", async () => {
    const { url } = await serve({ limits: { maxFaults: 3 } });
    const { wire } = await connect(url);
    await wire.ask({ op: "hello" });
    expect(await wire.ask({ throw: true, seq: 1 })).toEqual({
      op: "error",
      code: "INTERNAL",
      message: "cannot see",
      seq: 1,
    });
    expect(await wire.ask({ x: 1, seq: 2 })).toMatchObject({ seq: 2 });
    for (const bad of [{ seq: -1 }, { op: "fly" }, { seq: 3, endpoint: "dance" }])
      expect(await wire.ask(bad)).toMatchObject({ op: "error", code: "PROTOCOL" });
    expect(await wire.ask({ nan: true, seq: 4 })).toMatchObject({ code: "NOT_FINITE" });
    expect((await wire.closed).code).toBe(1011);
  });

  it("begins the episode again with the observation after one that failed", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    expect(await wire.ask({ throw: true, seq: 1 })).toMatchObject({ op: "error" });
    expect(actionsOf(await wire.ask({ x: 2, seq: 2 }))).toEqual([2, 1, 1]);
    expect(actionsOf(await wire.ask({ x: 3, seq: 3 }))).toEqual([3, 1, 0]);
  });

  it("begins the episode with what a robot sends after the observation that began it was dropped with its connection", async () => {
    const { policy, batches, release } = gated();
    const begun: boolean[] = [];
    const { url, listener } = await serve(
      {},
      {
        infer: (requests) => {
          begun.push(...requests.map(({ begins }) => begins));
          return policy.infer(requests);
        },
      },
    );
    const { wire: busy } = await connect(url);
    const { wire: lost } = await connect(url);
    lost.send({ x: 9, session_id: "r", seq: 0, episode: 0 });
    await until(() => batches.length === 1);
    release();
    await lost.map();
    busy.send({ x: 0, seq: 0 });
    await until(() => batches.length === 2);
    lost.send({ x: 1, session_id: "r", seq: 1, episode: 1 });
    await lost.ask({ op: "hb" });
    lost.close();
    await until(() => listener.connections === 1);
    const { wire } = await connect(url);
    wire.send({ x: 2, session_id: "r", seq: 2, episode: 1 });
    await wire.ask({ op: "hb" });
    release();
    await until(() => batches.length === 3);
    release();
    expect([batches, begun]).toEqual([
      [[9], [0], [2]],
      [true, true, true],
    ]);
  });

  it("refuses a seq that does not rise", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    await wire.ask({ x: 1, seq: 9 });
    expect(await wire.ask({ x: 1, seq: 9 })).toMatchObject({ op: "error", code: "STALE_SEQ", last_seq: 9 });
  });

  it("lets the newest observation win while one is in flight, and carries a superseded episode start over", async () => {
    const { policy, batches, release } = gated();
    const events: string[] = [];
    const { url } = await serve({ onEvent: (event) => events.push(event.type) }, policy);
    const { wire } = await connect(url);
    for (let seq = 0; seq < 5; seq++) wire.send({ x: seq, seq });
    await until(() => events.filter((type) => type === "superseded").length === 3);
    release();
    expect(await wire.map()).toMatchObject({ seq: 0 });
    release();
    expect(await wire.map()).toMatchObject({ seq: 4 });
    expect(batches).toEqual([[0], [4]]);
  });

  it("serves several robots in one inference, whoever waited longest first, one each", async () => {
    const { policy, batches, release } = gated();
    const { url } = await serve({ maxBatch: 3 }, policy);
    const robots = await Promise.all([0, 1, 2, 3, 4].map(() => connect(url)));
    for (const [i, { wire }] of robots.entries()) {
      wire.send({ x: i, seq: 0 });
      await until(() => batches.length === 1);
    }
    robots[0].wire.send({ x: 10, seq: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (let i = 0; i < 3; i++) {
      release();
      await until(() => batches.length === Math.min(3, i + 2));
    }
    expect(batches).toEqual([[0], [1, 2, 3], [4, 10]]);
  });

  it("lets one robot's bad observation fail only that robot", async () => {
    const { url } = await serve({}, makePolicy({ blockMs: 20 }));
    const [a, b, c] = await Promise.all([connect(url), connect(url), connect(url)]);
    a.wire.send({ x: 0, seq: 0 });
    b.wire.send({ throw: true, seq: 0 });
    c.wire.send({ x: 2, seq: 0 });
    expect(await b.wire.map()).toMatchObject({ op: "error", code: "INTERNAL" });
    expect(actionsOf(await c.wire.map())[0]).toBe(2);
  });

  it("keeps a session across connections and takes it over from a half-open one", async () => {
    const { url } = await serve();
    const { wire: old } = await connect(url);
    await old.ask({ x: 1, session_id: "r", seq: 3 });
    const { wire } = await connect(url);
    expect(await wire.ask({ op: "hello", session_id: "r" })).toMatchObject({ epoch: 2, last_seq: 3 });
    expect((await old.closed).code).toBe(4001);
    const reply = await wire.ask({ x: 2, session_id: "r", seq: 4 });
    expect([reply.epoch, actionsOf(reply)]).toEqual([2, [2, 1, 0]]);
  });

  it("keeps sessions of different principals apart although they chose the same id", async () => {
    const { url } = await serve({ tokens: { red: "red-token", blue: "blue-token" } });
    const as = (token: string) => connect(url, { headers: { Authorization: `Api-Key ${token}` } });
    const { wire: red } = await as("red-token");
    const { wire: blue } = await as("blue-token");
    const mine = await red.ask({ x: 1, session_id: "r", seq: 3 });
    expect(await blue.ask({ op: "hello", session_id: "r" })).toMatchObject({ epoch: 1, last_seq: -1 });
    expect((await red.ask({ x: 1, session_id: "r", seq: 4 })).session).toBe(mine.session);
  });

  it("does not hand an unnamed robot's session to one that guesses", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    const reply = await wire.ask({ x: 1 });
    const [, id] = JSON.parse(reply.session as string) as [string, string];
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("what the server passes on unread", () => {
  const array = (name: string, shape: number[], data: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from("84c40b5f5f6e6461727261795f5fc3c40464617461c4", "hex"),
      Buffer.from([data.length]),
      data,
      Buffer.from("c4056474797065", "hex"),
      encode(name),
      Buffer.from("c4057368617065", "hex"),
      encode(shape),
    ]);
  const message = (...entries: readonly (readonly [string, Uint8Array])[]): Buffer =>
    Buffer.concat([
      Buffer.from([0x80 + entries.length]),
      ...entries.flatMap(([key, value]) => [encode(key), value]),
    ]);
  const faulty: readonly [string, Uint8Array][] = [
    ["an unknown dtype", array("|O8", [1], new Uint8Array(8))],
    ["fewer bytes than its shape needs", array("<f4", [2], new Uint8Array(4))],
    ["text that is not UTF-8", Buffer.from("a2c328", "hex")],
    ["a map that repeats a key", Buffer.from("82a16101a16102", "hex")],
    ["more elements than the server takes", array("|u1", [65], new Uint8Array(65))],
    ["more text than the server takes values", array("<U1", [60], new Uint8Array(240))],
    ["nesting deeper than the server takes", Buffer.from("9191919191919101", "hex")],
  ];
  const strict = { limits: { maxElements: 64, maxValues: 40, maxDepth: 6 } };

  it.each(faulty)("is checked where inference happens: %s", async (_name, value) => {
    const { url } = await serve(strict);
    const { wire } = await connect(url);
    await wire.ask({ op: "hello" });
    wire.send(message(["seq", encode(4)], ["image", value]));
    expect(await wire.map()).toMatchObject({ op: "error", code: "PROTOCOL" });
    expect(await wire.ask({ x: 1, seq: 5 })).toHaveProperty("actions");
    const { wire: stock } = await connect(url);
    stock.send(message(["image", value]));
    expect(await stock.next()).toMatch(/PROTOCOL/);
    expect((await stock.closed).code).toBe(1007);
  });

  it("leaves nothing unread when no inference follows", async () => {
    const { url } = await serve(strict);
    const { wire } = await connect(url);
    await wire.ask({ op: "hello" });
    for (const [, value] of faulty) {
      wire.send(message(["op", encode("hb")], ["junk", value]));
      expect(await wire.map()).toMatchObject({ op: "error", code: "PROTOCOL" });
    }
  });

  it("cannot say a control key twice", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    await wire.ask({ op: "hello" });
    wire.send(message(["seq", encode(1)], ["seq", encode(2)]));
    expect(await wire.map()).toMatchObject({ op: "error", code: "PROTOCOL" });
    expect(await wire.ask({ x: 1, seq: 1 })).toHaveProperty("actions");
  });
});

describe("inference in a worker", () => {
  it("never holds up /healthz, heartbeats or greetings", async () => {
    const inference = await openInference({ module: policyModule, options: { blockMs: 700 } });
    const { url, port } = await serve({ inference });
    const { wire } = await connect(url);
    const health = () =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(({ status }) => order.push(`health ${status}`));
    const order: unknown[] = [];
    await health();
    wire.send({ x: 1, seq: 0 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const greetedAndHeard = connect(url)
      .then(({ wire: second }) => second.ask({ op: "hb" }))
      .then(({ op }) => order.push(op));
    await Promise.all([health(), greetedAndHeard, wire.map().then((reply) => order.push(actionsOf(reply)))]);
    expect(order[0]).toBe("health 200");
    expect(order[3]).toEqual([1, 1, 1]);
  });

  it("answers with an error when the worker dies, restarts it, and begins episodes anew", async () => {
    const failures: string[] = [];
    const inference = await openInference({
      module: policyModule,
      onFailure: (message) => failures.push(message),
    });
    const { url, port } = await serve({ inference });
    const { wire } = await connect(url);
    await wire.ask({ x: 1, seq: 0 });
    expect(await wire.ask({ die: true, seq: 1 })).toMatchObject({
      op: "error",
      code: "WORKER_FAILED",
      seq: 1,
    });
    expect(failures).toHaveLength(1);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(503);
    await until(() => inference.health() === undefined);
    expect(actionsOf(await wire.ask({ x: 2, seq: 2 }))).toEqual([2, 1, 1]);
  });

  it("gives up on an inference that takes too long", async () => {
    const inference = await openInference({
      module: policyModule,
      options: { blockMs: 60_000 },
      timeoutMs: 50,
    });
    const { url } = await serve({ inference });
    const { wire } = await connect(url);
    expect(await wire.ask({ x: 1, seq: 0 })).toMatchObject({ code: "WORKER_FAILED" });
  });

  it("says why a policy cannot be built", async () => {
    await expect(openInference({ module: policyModule, name: "makeBroken" })).rejects.toThrow(/no weights/);
    await expect(openInference({ module: policyModule, name: "nothing" })).rejects.toThrow(
      /exports no function/,
    );
  });
});
