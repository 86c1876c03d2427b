/** @file What a bridge must bear: garbage, crowds, stalls and crashes. Short here; at full length with REVERIE_SOAK=1. */

import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { decode, encode, type WireMap } from "../../../src/bridge/codec.ts";
import { localInference } from "../../../src/bridge/inference.ts";
import { openPolicyServer } from "../../../src/bridge/policy-server.ts";
import { openRemotePolicy } from "../../../src/bridge/remote-policy.ts";
import { openRemoteVectorEnv } from "../../../src/bridge/remote.ts";
import { openStreamServer } from "../../../src/bridge/stream-server.ts";
import { float32, type NdArray, zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import type { ObservationBatch } from "../../../src/env/env.ts";
import { infoAt } from "../../../src/env/infos.ts";
import { Child } from "./child.ts";
import { makePolicy } from "./echo-policy.ts";
import { connect, Wire } from "./socket.ts";

const full = process.env.REVERIE_SOAK === "1";
const limitMs = full ? 300_000 : 120_000;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
function memoryBytes(): number {
  // Buffers found dead are freed by another thread; the second collection waits for what the first has found.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const golden = JSON.parse(readFileSync(new URL("golden-packets.json", import.meta.url), "utf8")) as {
  hex: string;
}[];
const seeds: readonly Buffer[] = [
  ...golden.map(({ hex }) => Buffer.from(hex, "hex")),
  encode({ x: 1, session_id: "s", episode: 3, t_mono: 0.5, endpoint: "infer" }),
  encode({ op: "hb", t_mono: 1 }),
  encode({ endpoint: "reset", session_id: "s" }),
  encode({ x: { __img__: true, codec: "jpeg", shape: [8, 8, 3], data: new Uint8Array(64) } }),
];

/** A packet with bytes flipped, cut out, doubled, cut off, or replaced by noise. */
function mutate(rng: Rng): Buffer {
  const seed = seeds[rng.integers(0, seeds.length)];
  const kind = rng.integers(0, 5);
  const at = rng.integers(0, seed.length + 1);
  if (kind === 0) return seed.subarray(0, at);
  if (kind === 1)
    return Buffer.concat([seed.subarray(0, at), seed.subarray(rng.integers(0, seed.length + 1))]);
  if (kind === 2) return Buffer.from(Array.from({ length: rng.integers(1, 40) }, () => rng.integers(0, 256)));
  const mutant = Buffer.from(seed);
  for (let i = 0; i < kind; i++) mutant[rng.integers(0, mutant.length)] = rng.integers(0, 256);
  return mutant;
}

describe("garbage", () => {
  it(
    "100 000 fuzzed or truncated packets decode or are refused, in constant memory",
    () => {
      const rng = Rng.fromSeed(1);
      const before = memoryBytes();
      let refused = 0;
      for (let i = 0; i < 100_000; i++) {
        try {
          decode(mutate(rng));
        } catch (error) {
          if ((error as { code?: string }).code !== "PROTOCOL") throw error;
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(30_000);
      expect(memoryBytes() - before).toBeLessThan(16e6);
    },
    limitMs,
  );

  it(
    "is answered message by message, or closes the connection with the right code",
    async () => {
      const limits = { maxFaults: 1e9, maxLockstepQueue: 1e9 };
      const server = await openPolicyServer({ port: 0, inference: localInference(makePolicy()), limits });
      cleanups.push(() => server.close());
      const rng = Rng.fromSeed(2);
      const before = memoryBytes();
      const total = full ? 100_000 : 8000;
      const codes = new Set<number>();
      for (let sent = 0; sent < total;) {
        const { wire } = await connect(server.url);
        await wire.ask({ op: "hello" });
        let [closed, left] = [false, false];
        void wire.closed.then(({ code }) => {
          closed = true;
          if (!left) codes.add(code);
        });
        // Not for ever on one connection: what waits for its end would pile up on this side.
        for (const until = sent + 500; sent < Math.min(until, total) && !closed; sent++) {
          wire.send(mutate(rng));
          await Promise.race([wire.next().catch(() => undefined), wire.closed]);
        }
        left = !closed;
        wire.close();
      }
      expect([...codes].filter((code) => ![1000, 1007, 1011].includes(code))).toEqual([]);
      expect(memoryBytes() - before).toBeLessThan(16e6);
      const { wire } = await connect(server.url);
      expect(await wire.ask({ x: 1 })).toHaveProperty("actions");
    },
    limitMs,
  );

  it(
    "below the messages, as broken frames, ends only its own connection",
    async () => {
      const server = await openPolicyServer({ port: 0, inference: localInference(makePolicy()) });
      cleanups.push(() => server.close());
      const { wire: good } = await connect(server.url);
      const rng = Rng.fromSeed(3);
      const upgrade =
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
      for (let i = 0; i < (full ? 5000 : 200); i++) {
        await new Promise<void>((resolve) => {
          const socket = connectTcp(server.port, "127.0.0.1", () => {
            const noise = Buffer.from(
              Array.from({ length: rng.integers(1, 60) }, () => rng.integers(0, 256)),
            );
            socket.end(Buffer.concat([Buffer.from(rng.random() < 0.9 ? upgrade : ""), noise]));
          });
          socket
            .on("data", () => undefined)
            .on("error", () => undefined)
            .on("close", () => resolve());
        });
      }
      expect(await good.ask({ x: 5 })).toHaveProperty("actions");
      while (server.listener.connections > 1) await pause(5);
    },
    limitMs,
  );
});

interface Robot {
  readonly id: number;
  readonly name: string | undefined;
  seq: number;
  replies: number;
}

/** Connect, ask a few times, check that every answer is our own, and drop the connection at some point. */
async function visit(robot: Robot, url: string, rng: Rng): Promise<void> {
  const wire = new Wire(url);
  try {
    await wire.map();
    const asks = rng.integers(0, 6);
    for (let i = 0; i < asks; i++) {
      const x = robot.id * 10_000 + (robot.seq % 10_000);
      const control = robot.name === undefined ? {} : { session_id: robot.name, seq: robot.seq };
      robot.seq++;
      wire.send({ x, ...control });
      if (rng.random() < 0.15) break;
      const reply = await wire.map();
      if ((reply.actions as NdArray).data[0] !== x) throw new Error(`robot ${robot.id} got another's action`);
      const [, session] = JSON.parse(reply.session as string) as [string, string];
      if (robot.name !== undefined && session !== robot.name)
        throw new Error(`robot ${robot.id} is in session ${session}`);
      robot.replies++;
    }
  } finally {
    wire.close();
  }
}

describe("a crowd", () => {
  it(
    "of 200 robots that connect and drop at random never sees another's data",
    async () => {
      const child = new Child("./server-process.ts", "0", "0");
      cleanups.push(() => child.kill());
      const url = (await child.said("policy")).policy as string;
      const endMs = performance.now() + (full ? 60_000 : 3000);
      const robots = Array.from({ length: 200 }, (_, id): Robot => ({
        id,
        name: id % 3 === 0 ? undefined : `r${id}`,
        seq: 0,
        replies: 0,
      }));
      await Promise.all(
        robots.map(async (robot) => {
          const rng = Rng.fromSeed([7, robot.id]);
          do {
            await visit(robot, url, rng);
            await pause(rng.random() * 50);
          } while (performance.now() < endMs);
        }),
      );
      expect(robots.filter(({ replies }) => replies === 0).length).toBeLessThan(60);
      expect((await fetch(`${url.replace("ws", "http")}/healthz`)).status).toBe(200);
      await child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
    },
    limitMs,
  );
});

describe("a stall", () => {
  it(
    "of a consumer leaves it at most 3 stale frames, and the sender's memory flat",
    async () => {
      const server = await openStreamServer({ port: 0, channels: ["camera"] });
      cleanups.push(() => server.close());
      const viewer = new Child("./viewer-process.ts", server.url);
      cleanups.push(() => viewer.kill());
      await viewer.said("ready");
      const frame = zeros("uint8", [480, 640, 3]);
      const timer = setInterval(() => server.publish("camera", { sent_ms: Date.now(), frame }), 1000 / 30);
      cleanups.push(() => clearInterval(timer));
      await viewer.said("ageMs");
      await pause(300);
      await viewer.kill("SIGSTOP");
      await pause(200);
      const before = memoryBytes();
      await pause(full ? 5000 : 1300);
      const grown = memoryBytes() - before;
      const seen = viewer.lines.length;
      await viewer.kill("SIGCONT");
      for (let i = 0; i < 200 && viewer.lines.length <= seen + 5; i++) await pause(50);
      await pause(500);
      const stale = viewer.lines.slice(seen).filter(({ ageMs }) => (ageMs as number) > 500);
      expect(viewer.lines.length).toBeGreaterThan(seen + 5);
      expect(stale.length).toBeLessThanOrEqual(3);
      expect(grown).toBeLessThan(4e6);
    },
    limitMs,
  );
});

describe("a crash", () => {
  it(
    "of the server in the middle of an episode is resumed by robots and learners",
    async () => {
      const first = new Child("./server-process.ts", "0", "0");
      cleanups.push(() => first.kill());
      const urls = (await first.said("policy")) as { policy: string; env: string };
      const backoff = { firstMs: 20, lastMs: 100 };
      const policy = await openRemotePolicy({ url: urls.policy, backoff });
      const env = await openRemoteVectorEnv({ url: urls.env, numEnvs: 2, autoreset: "next-step", backoff });
      cleanups.push(
        () => policy.close(),
        () => env.close(),
      );
      const actions = float32([0, 0, 0, 0], [2, 2]);
      await policy.infer({ x: 1 });
      await env.reset({ seed: 1 });
      await env.step(actions);
      const asked = policy.infer({ x: 2 }).catch((error: { code: string }) => error.code);
      await first.kill("SIGKILL");
      expect(["CONNECTION_LOST", undefined]).toContain(
        await asked.then((outcome) => (typeof outcome === "string" ? outcome : undefined)),
      );
      const cut = env.step(actions);
      const ports = [urls.policy, urls.env].map((url) => new URL(url).port);
      const second = new Child("./server-process.ts", ...ports);
      cleanups.push(() => second.kill());
      const batch = await cut;
      expect([[...batch.truncations.data], infoAt(batch.infos, 1)]).toEqual([
        [1, 1],
        { connectionLost: true },
      ]);
      await env.step(actions);
      expect(count((await env.step(actions)).observations)).toBe(1);
      while (!policy.connected) await pause(5);
      const reply = await policy.infer({ x: 3 } satisfies WireMap);
      expect([...reply.actions.data]).toEqual([3, 1, 1]);
    },
    limitMs,
  );
});

function count(observations: ObservationBatch): number {
  return (observations as { state: NdArray<"float32"> }).state.data[0];
}
