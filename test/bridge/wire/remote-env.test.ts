/** @file A vector environment behind a socket is a vector environment. */

import { afterEach, describe, expect, it } from "vitest";
import type { WireMap } from "../../../src/bridge/codec.ts";
import { type EnvServer, type EnvServerOptions, openEnvServer } from "../../../src/bridge/env-server.ts";
import { openRemoteVectorEnv, type RemoteEnvOptions } from "../../../src/bridge/remote.ts";
import { float32, ndarray, type NdArray, zeros } from "../../../src/core/ndarray.ts";
import { withAutoreset } from "../../../src/env/autoreset.ts";
import { checkVectorEnv } from "../../../src/env/check.ts";
import type { ObservationBatch, StepBatch } from "../../../src/env/env.ts";
import { infoAt } from "../../../src/env/infos.ts";
import { makeEnv } from "./counter-env.ts";
import { connect } from "./socket.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(options: EnvServerOptions = {}): Promise<EnvServer> {
  const server = await openEnvServer({
    port: 0,
    ...(options.worker === undefined ? { make: makeEnv } : {}),
    ...options,
  });
  cleanups.push(() => server.close());
  return server;
}

async function open(url: string, options: Partial<RemoteEnvOptions> = {}) {
  const env = await openRemoteVectorEnv({
    url,
    numEnvs: 3,
    backoff: { firstMs: 10, lastMs: 30 },
    ...options,
  });
  cleanups.push(() => env.close());
  return env;
}

const envModule = new URL("./counter-env.ts", import.meta.url).href;
const still = (n: number): NdArray<"float32"> => float32(new Array<number>(2 * n).fill(0.5), [n, 2]);
const states = (observations: ObservationBatch): number[] => [
  ...(observations as { state: NdArray<"float32"> }).state.data,
];
const counts = ({ observations }: { observations: ObservationBatch }): number[] =>
  states(observations).filter((_, i) => i % 3 === 0);
const flags = ({ truncations, terminations, valid }: StepBatch): number[][] => [
  [...terminations.data],
  [...truncations.data],
  [...valid.data],
];
const mask = (...rows: number[]): NdArray<"bool"> => ndarray("bool", [rows.length], Uint8Array.from(rows));

describe("RemoteVectorEnv", () => {
  it("passes the conformance suite as a primitive, and in each autoreset mode on the server", async () => {
    const { url } = await serve();
    for (const autoreset of ["disabled", "next-step", "same-step"] as const) {
      const env = await open(url, { autoreset });
      expect(await checkVectorEnv(env, { steps: 12 }), autoreset).toMatchObject({ warnings: [] });
    }
  }, 20_000);

  it("gives exactly what the local environment gives", async () => {
    const { url } = await serve();
    const remote = withAutoreset(await open(url), "same-step");
    const local = withAutoreset(
      makeEnv({ id: undefined, numEnvs: 3, autoreset: "disabled", kwargs: {} }),
      "same-step",
    );
    expect((await remote.reset({ seed: 7 })).observations).toEqual(
      (await local.reset({ seed: 7 })).observations,
    );
    for (let step = 0; step < 12; step++) {
      const ours = await remote.step(still(3));
      const theirs = await local.step(still(3));
      expect(ours.observations).toEqual(theirs.observations);
      expect([...ours.rewards.data]).toEqual([...theirs.rewards.data]);
      expect(flags(ours)).toEqual(flags(theirs));
      expect(infoAt(ours.infos, 1)).toEqual(infoAt(theirs.infos, 1));
      expect(ours.finalMask).toEqual(theirs.finalMask);
    }
  });

  it("takes kwargs, refuses what the server refuses, and says why", async () => {
    const { url } = await serve({ maxEnvs: 8 });
    const env = await open(url, { kwargs: { length: 2, side: 7 } });
    expect(env.singleObservationSpace.toString()).toContain("(7, 7, 3)");
    await expect(open(url, { kwargs: { fail: true } })).rejects.toThrow(/no such environment/);
    await expect(open(url, { numEnvs: 9 })).rejects.toThrow(/at most 8/);
    await expect(open(url, { numEnvs: 0 })).rejects.toThrow(/INVALID_ARGUMENT/);
  });

  it("passes the environment's own errors on, and stays usable", async () => {
    const { url } = await serve();
    const env = await open(url, { autoreset: "next-step" });
    await expect(env.step(still(3))).rejects.toThrow(/RESET_NEEDED/);
    await env.reset();
    await expect(env.step(float32([Number.NaN, 0, 0, 0, 0, 0], [3, 2]))).rejects.toThrow(/NOT_FINITE/);
    await expect(env.reset({ mask: mask(0, 0, 0) })).rejects.toThrow(/INVALID_SHAPE/);
    expect(counts(await env.step(still(3)))).toEqual([1, 1, 1]);
    const first = env.step(still(3));
    await expect(env.step(still(3))).rejects.toThrow(/RUN_BUSY/);
    await first;
  });

  it("renders, and carries frames as PNG without loss", async () => {
    const { url } = await serve();
    const env = await open(url, { frames: "png", kwargs: { side: 32 } });
    await env.reset();
    const { observations } = await env.step(still(3));
    const { frame } = observations as { frame: NdArray<"uint8"> };
    expect(frame.shape).toEqual([3, 32, 32, 3]);
    expect(new Set(frame.data)).toEqual(new Set([1]));
    const frames = await env.render?.();
    expect(frames?.map((shown) => shown?.shape)).toEqual([
      [32, 32, 3],
      [32, 32, 3],
      [32, 32, 3],
    ]);
  });

  it("carries frames as JPEG at its quality's error", async () => {
    const { url } = await serve();
    const env = await open(url, { frames: "jpeg", quality: 95, kwargs: { side: 16, length: 300 } });
    await env.reset();
    let batch = await env.step(still(3));
    for (let i = 0; i < 99; i++) batch = await env.step(still(3));
    const { frame } = batch.observations as { frame: NdArray<"uint8"> };
    expect(Math.max(...frame.data.map((value) => Math.abs(value - 100)))).toBeLessThanOrEqual(2);
  });

  it("steps a slow environment in a worker without holding up anybody", async () => {
    const { url, port } = await serve({ worker: { module: envModule } });
    const env = await open(url, { kwargs: { blockMs: 150 } });
    await env.reset();
    const order: string[] = [];
    const health = () =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(({ status }) => order.push(`health ${status}`));
    await health();
    const slow = env.step(still(3)).then((batch) => order.push(`step ${counts(batch).join()}`));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await Promise.all([health(), slow]);
    expect(order).toEqual(["health 200", "health 200", "step 1,1,1"]);
  });

  it("closes the environment when its learner says goodbye, and keeps it for one that dropped off", async () => {
    let closed = 0;
    const make: EnvServerOptions["make"] = (request) => {
      const env = makeEnv(request);
      return Object.assign(Object.create(env) as typeof env, { close: async () => void closed++ });
    };
    const server = await serve({ make, limits: { sessionIdleMs: 60_000 } });
    const env = await openRemoteVectorEnv({ url: server.url });
    await env.close();
    expect(closed).toBe(1);
    const { wire } = await connect(server.url);
    await wire.ask({ endpoint: "open", session_id: "s", seq: 1 });
    wire.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closed).toBe(1);
    const { wire: again } = await connect(server.url);
    expect(await again.ask({ op: "hello", session_id: "s" })).toMatchObject({ last_seq: 1, epoch: 2 });
    await server.close();
    expect(closed).toBe(2);
  });
});

describe("resuming", () => {
  it("answers a call again after a lost connection, without stepping twice", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    await wire.ask({ endpoint: "open", session_id: "s", seq: 1 });
    await wire.ask({ endpoint: "reset", session_id: "s", seq: 2, seed: 1 });
    const step: WireMap = { endpoint: "step", session_id: "s", seq: 3, actions: still(1) };
    const answer = await wire.ask(step);
    wire.close();
    const { wire: back } = await connect(url);
    await back.ask({ op: "hello", session_id: "s" });
    expect(await back.ask(step)).toEqual(answer);
    expect(await back.ask({ ...step, seq: 2 })).toMatchObject({ code: "STALE_SEQ" });
    const next = await back.ask({ ...step, seq: 4 });
    expect(counts(next as never)).toEqual([2]);
  });

  it("goes on after its socket broke in the middle of a step", async () => {
    const { url, listener } = await serve({ worker: { module: envModule } });
    const env = await open(url, { kwargs: { blockMs: 20 } });
    await env.reset({ seed: 3 });
    const step = env.step(still(3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    (env as unknown as { line: { link: { renew(reason: string): void } } }).line.link.renew("test");
    expect(counts(await step)).toEqual([1, 1, 1]);
    expect(counts(await env.step(still(3)))).toEqual([2, 2, 2]);
    expect(listener.connections).toBe(1);
  });

  it("ends the episodes by truncation when the server was restarted, and goes on in new ones", async () => {
    const first = await serve();
    const env = withAutoreset(await open(first.url), "next-step");
    await env.reset({ seed: 3 });
    await env.step(still(3));
    await first.close();
    await serve({ port: first.port });
    const cut = await env.step(still(3));
    expect([counts(cut), ...flags(cut)]).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(infoAt(cut.infos, 0)).toEqual({ connectionLost: true });
    const fresh = await env.step(still(3));
    expect([counts(fresh), ...flags(fresh)]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(counts(await env.step(still(3)))).toEqual([1, 1, 1]);
  });

  it("does the same where the server resets, in both modes", async () => {
    const first = await serve();
    const next = await open(first.url, { autoreset: "next-step" });
    const same = await open(first.url, { autoreset: "same-step" });
    for (const env of [next, same]) {
      await env.reset({ seed: 3 });
      await env.step(still(3));
    }
    await first.close();
    await serve({ port: first.port });
    const cut = await next.step(still(3));
    expect([counts(cut), flags(cut)[1]]).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    const artificial = await next.step(still(3));
    expect([counts(artificial), flags(artificial)[2]]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    const both = await same.step(still(3));
    expect([counts(both), flags(both)[1]]).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect([
      counts({ observations: both.finalObservations as ObservationBatch }),
      [...(both.finalMask?.data ?? [])],
    ]).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(counts(await same.step(still(3)))).toEqual([1, 1, 1]);
  });

  it("keeps rows apart that were lost from rows that were reset", async () => {
    const first = await serve();
    const env = await open(first.url);
    await env.reset({ seed: 3 });
    const before = await env.step(still(3));
    await first.close();
    await serve({ port: first.port });
    await env.reset({ mask: mask(0, 1, 0), seed: 9 });
    const mixed = await env.step(still(3));
    expect([counts(mixed), ...flags(mixed)]).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [1, 0, 1],
      [1, 1, 1],
    ]);
    expect(states(mixed.observations).slice(0, 3)).toEqual(states(before.observations).slice(0, 3));
  });

  it("throws instead where it was told to", async () => {
    const first = await serve();
    const env = await open(first.url, { onLost: "throw" });
    await env.reset();
    await first.close();
    await serve({ port: first.port });
    await expect(env.step(still(3))).rejects.toThrow(/CONNECTION_LOST/);
    await env.reset();
    expect(counts(await env.step(still(3)))).toEqual([1, 1, 1]);
  });

  it("refuses another environment or model in place of the one it had", async () => {
    const first = await serve({ modelId: "m1" });
    const env = await open(first.url);
    await env.reset();
    await first.close();
    await serve({ port: first.port, modelId: "m2" });
    await expect(env.step(still(3))).rejects.toThrow(/CHECKPOINT_MISMATCH/);
  });

  it("resumes a named session in a new process", async () => {
    const { url } = await serve();
    const old = await openRemoteVectorEnv({ url, sessionId: "lab" });
    await old.reset();
    for (let i = 0; i < 3; i++) await old.step(still(1));
    const env = await open(url, { sessionId: "lab", numEnvs: 1 });
    await env.reset();
    expect(counts(await env.step(still(1)))).toEqual([1]);
    await expect(old.step(still(1))).rejects.toThrow(/4001/);
  });
});

describe("the env server", () => {
  it("answers nonsense with typed errors", async () => {
    const { url } = await serve();
    const { wire } = await connect(url);
    for (const [seq, bad] of [
      { endpoint: "step" },
      { endpoint: "fly" },
      { endpoint: "open", num_envs: 1.5 },
      { endpoint: "open", autoreset: "x" },
    ].entries()) {
      expect(await wire.ask({ ...bad, seq })).toMatchObject({ op: "error", seq });
    }
    await wire.ask({ endpoint: "open", seq: 10 });
    await wire.ask({ endpoint: "reset", seq: 11 });
    for (const [i, body] of [
      {},
      { actions: "left" },
      { actions: still(1), mask: zeros("int32", [1]) },
      { actions: still(2) },
    ].entries()) {
      expect(await wire.ask({ endpoint: "step", seq: 12 + i, ...body }), `${i}`).toMatchObject({
        op: "error",
      });
    }
  });
});
