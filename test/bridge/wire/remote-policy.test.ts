/** @file A robot's side of the policy server: deadlines, numbers, and coming back. */

import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { backoffMs } from "../../../src/bridge/client/backoff.ts";
import { decodeMap, encode, type WireMap } from "../../../src/bridge/codec.ts";
import { localInference, type ServedPolicy } from "../../../src/bridge/inference.ts";
import { openPolicyServer, type PolicyServer } from "../../../src/bridge/policy-server.ts";
import {
  openRemotePolicy,
  type PolicyReply,
  type RemotePolicyOptions,
} from "../../../src/bridge/remote-policy.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import { makePolicy } from "./echo-policy.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(
  policy: ServedPolicy,
  options: { port?: number; modelId?: string } = {},
): Promise<PolicyServer> {
  const server = await openPolicyServer({ port: 0, ...options, inference: localInference(policy) });
  cleanups.push(() => server.close());
  return server;
}

async function connect(url: string, options: Partial<RemotePolicyOptions> = {}) {
  const policy = await openRemotePolicy({ url, backoff: { firstMs: 20, lastMs: 50 }, ...options });
  cleanups.push(() => policy.close());
  return policy;
}

/** A server that greets with `metadata` and answers each message as `answer` says. */
async function fake(
  metadata: WireMap,
  answer: (message: WireMap, send: (reply: WireMap | string) => void) => void,
) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  let connections = 0;
  server.on("connection", (socket) => {
    connections++;
    const send = (reply: WireMap | string): void =>
      socket.send(typeof reply === "string" ? reply : encode(reply));
    send(metadata);
    socket.on("message", (data: Buffer) => answer(decodeMap(data), send));
  });
  cleanups.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as { port: number }).port}`,
    connections: () => connections,
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const values = ({ actions }: PolicyReply): number[] => [...(actions.data as Float32Array)];

describe("RemotePolicy", () => {
  it("asks for decisions and tells the age and the round trip", async () => {
    const { url } = await serve(makePolicy());
    const policy = await connect(url);
    const reply = await policy.infer({ x: 3 });
    expect(values(reply)).toEqual([3, 1, 1]);
    expect(reply.observedMs + reply.roundTripMs).toBeLessThanOrEqual(performance.now());
    policy.beginEpisode();
    expect(values(await policy.infer({ x: 4 }))).toEqual([4, 1, 1]);
    expect(values(await policy.infer({ x: 5 }))).toEqual([5, 1, 0]);
  });

  it("passes the server's errors on and stays usable", async () => {
    const { url } = await serve(makePolicy());
    const policy = await connect(url);
    await expect(policy.infer({ throw: true })).rejects.toThrow(/cannot see/);
    expect(values(await policy.infer({ x: 1 }))[0]).toBe(1);
  });

  it("never takes a late reply for the next one", async () => {
    let held: (() => void) | undefined;
    const slowOnce: ServedPolicy = {
      async infer([{ observation }]) {
        if (observation.x === 0) await new Promise<void>((resolve) => (held = resolve));
        return [{ actions: float32([observation.x as number]) }];
      },
    };
    const { url } = await serve(slowOnce);
    const policy = await connect(url, { timeoutMs: 40 });
    await expect(policy.infer({ x: 0 })).rejects.toThrow(/TIMEOUT/);
    held?.();
    expect(values(await policy.infer({ x: 1 }))).toEqual([1]);
  });

  it("takes a new socket after a late reply of a stock server, which numbers nothing", async () => {
    let first = true;
    const server = await fake({}, (message, send) => {
      const delayMs = first ? 80 : 0;
      first = false;
      setTimeout(() => send({ actions: float32([message.x as number]) }), delayMs);
    });
    const policy = await connect(server.url, { timeoutMs: 40 });
    await expect(policy.infer({ x: 0 })).rejects.toThrow(/TIMEOUT/);
    await until(() => policy.connected);
    expect(values(await policy.infer({ x: 1 }))).toEqual([1]);
    expect(server.connections()).toBe(2);
  });

  it("drops replies of another epoch or to nothing it asked", async () => {
    const server = await fake({ reverie: { protocol: 1 } }, (message, send) => {
      if (message.op === "hello") return send({ op: "session", session_id: "s", epoch: 3, last_seq: 6 });
      const seq = message.seq as number;
      send({ seq, epoch: 2, actions: float32([-1]) });
      send({ seq: seq + 100, epoch: 3, actions: float32([-2]) });
      send({ seq, epoch: 3, actions: float32([seq]) });
    });
    const policy = await connect(server.url);
    expect(values(await policy.infer({}))).toEqual([7]);
  });

  it("offers at most two unanswered observations, and after them only the newest", async () => {
    const seen: number[] = [];
    const gates: (() => void)[] = [];
    const gated: ServedPolicy = {
      async infer([{ observation }]) {
        seen.push(observation.x as number);
        await new Promise<void>((resolve) => gates.push(resolve));
        return [{ actions: float32([observation.x as number]) }];
      },
    };
    const { url } = await serve(gated);
    const replies: number[] = [];
    const policy = await connect(url, { onReply: (reply) => replies.push(...values(reply)) });
    for (let x = 0; x < 10; x++) policy.offer({ x });
    for (let done = 0; done < 3; done++) {
      await until(() => gates.length === 1);
      gates.pop()?.();
      await until(() => replies.length === done + 1);
    }
    expect(replies).toEqual([0, 1, 9]);
    expect(policy.superseded).toBe(7);
  });

  it("comes back after a server restart with its session, and nothing old is answered", async () => {
    const first = await serve(makePolicy(), { modelId: "m1" });
    const errors: string[] = [];
    const policy = await connect(first.url, { onError: (error) => errors.push(error.code) });
    await policy.infer({ x: 1 });
    const { port } = first;
    const pending = policy.infer({ x: 2 }).catch((error: Error) => error);
    await first.close();
    await pending;
    expect(policy.offer({ x: 3 })).toBe(false);
    await expect(policy.infer({ x: 3 })).rejects.toThrow(/CONNECTION_LOST/);
    await serve(makePolicy(), { port, modelId: "m1" });
    await until(() => policy.connected);
    const reply = await policy.infer({ x: 4 });
    expect(values(reply)).toEqual([4, 1, 1]);
    expect(reply.seq).toBeGreaterThan(2);
    expect(errors).toContain("CONNECTION_LOST");
  });

  it("refuses to go on with another model", async () => {
    const first = await serve(makePolicy(), { modelId: "m1" });
    const errors: string[] = [];
    const policy = await connect(first.url, { onError: (error) => errors.push(error.code) });
    await first.close();
    await serve(makePolicy(), { port: first.port, modelId: "m2" });
    await until(() => errors.includes("CHECKPOINT_MISMATCH"));
    await expect(policy.infer({ x: 1 })).rejects.toThrow(/CHECKPOINT_MISMATCH/);
  });

  it("does not fight over a session that another process took over", async () => {
    const { url } = await serve(makePolicy());
    const errors: string[] = [];
    await connect(url, { sessionId: "r", onError: (error) => errors.push(error.message) });
    await connect(url, { sessionId: "r" });
    await until(() => errors.length > 0);
    expect(errors[0]).toMatch(/4001/);
  });

  it("gives up on a server that does not answer or does not know it", async () => {
    await expect(openRemotePolicy({ url: "ws://127.0.0.1:9", connectTimeoutMs: 60 })).rejects.toThrow(
      /TIMEOUT/,
    );
    const server = await openPolicyServer({
      port: 0,
      token: "right",
      inference: localInference(makePolicy()),
    });
    cleanups.push(() => server.close());
    await expect(openRemotePolicy({ url: server.url, token: "wrong" })).rejects.toThrow(/UNAUTHORIZED/);
    expect((await connect(server.url, { token: "right" })).connected).toBe(true);
  });
});

describe("backoff", () => {
  it("doubles to its bound, with jitter between half and all of it", () => {
    expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, 1))).toEqual([250, 500, 1000, 10_000]);
    expect(backoffMs(0, 0)).toBe(125);
    expect(backoffMs(1e9, 0.5)).toBe(7500);
  });
});
