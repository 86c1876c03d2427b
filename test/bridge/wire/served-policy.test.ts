/** @file A `Policy` served to robots: checked, stacked, padded, and in physical units. */

import { describe, expect, it } from "vitest";
import { encode, decode, type WireMap } from "../../../src/bridge/codec.ts";
import { decodeFrames, encodeFrame } from "../../../src/bridge/frames.ts";
import { makeServedPolicy, type ServedPolicyOptions } from "../../../src/bridge/inference-policy.ts";
import { type InferenceItem, type InferenceResult, runBatch } from "../../../src/bridge/inference.ts";
import { defaultLimits } from "../../../src/bridge/limits.ts";
import { float32, ndarray, type NdArray, zeros } from "../../../src/core/ndarray.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { Dict } from "../../../src/core/spaces/dict.ts";
import type { ObservationBatch } from "../../../src/env/env.ts";
import type { Policy } from "../../../src/policy/policy.ts";

interface Call {
  rows: number;
  begins: number[];
  observations: ObservationBatch;
}

function recording(): { policy: Policy; calls: Call[] } {
  const calls: Call[] = [];
  const policy: Policy = {
    act(observations, begins) {
      const { state } = observations as { state: NdArray<"float32"> };
      calls.push({ rows: state.shape[0], begins: [...begins.data], observations });
      const actions = float32(
        state.data.filter((_, i) => i % 3 < 2),
        [state.shape[0], 2],
      );
      return Promise.resolve({ actions });
    },
  };
  return { policy, calls };
}

const observationSpace = new Dict({
  frame: new Box(0, 255, [4, 6, 3], "uint8"),
  state: new Box(-Infinity, Infinity, [3]),
});
const see = (x: number, more: WireMap = {}): WireMap => ({
  frame: zeros("uint8", [4, 6, 3]),
  state: float32([x, -x, 9]),
  ...more,
});
const served = (options: Partial<ServedPolicyOptions> = {}) => {
  const { policy, calls } = recording();
  return { calls, policy: makeServedPolicy({ policy, observationSpace, ...options }) };
};
const ask = (observations: readonly WireMap[], begins = true) =>
  observations.map((observation, i) => ({ session: `${i}`, begins, observation }));
const items = (observations: readonly WireMap[]): InferenceItem[] => {
  const stamp = { seq: 1, tMono: undefined, episode: 0, epoch: 1, previousTotalMs: undefined, queueMs: 0 };
  return observations.map((observation, i) => ({
    session: `${i}`,
    begins: true,
    bytes: encode(observation),
    stamp,
    limits: defaultLimits,
  }));
};
const actions = (reply: WireMap): NdArray => reply.actions as NdArray;

describe("makeServedPolicy", () => {
  it("stacks robots in one call and gives each its own row as a chunk of one", async () => {
    const { policy, calls } = served();
    const replies = await policy.infer(ask([see(0.25), see(0.5)]));
    expect(replies.map((reply) => [actions(reply).shape, ...actions(reply).data])).toEqual([
      [[1, 2], 0.25, -0.25],
      [[1, 2], 0.5, -0.5],
    ]);
    expect(calls).toMatchObject([{ rows: 2, begins: [1, 1] }]);
  });

  it("pads to the next size that the policy was compiled for", async () => {
    const { policy, calls } = served({ batchSizes: [1, 4] });
    for (const count of [1, 2, 5])
      await policy.infer(
        ask(
          Array.from({ length: count }, (_, i) => see(i / 8)),
          false,
        ),
      );
    expect(calls.map(({ rows, begins }) => [rows, begins.join("")])).toEqual([
      [1, "0"],
      [4, "0011"],
      [5, "00000"],
    ]);
  });

  it("maps [-1, 1] to the robot's range, clipped", async () => {
    const { policy } = served({ actionSpace: new Box([0, -10], [2, 10]) });
    const [half, far] = await policy.infer(ask([see(0.5), see(3)]));
    expect([...actions(half).data, ...actions(far).data]).toEqual([1.5, -5, 2, -10]);
  });

  it("takes the robot's key names, narrows float64, and reads plain lists", async () => {
    const { policy } = served({ keys: { state: "observation/joint_position" } });
    const { frame } = see(0);
    const doubles = ndarray("float64", [3], Float64Array.of(0.5, 0, 0));
    const [a, b] = await policy.infer(
      ask([
        { frame, "observation/joint_position": doubles },
        { frame, "observation/joint_position": [0.75, 0, 0] },
      ]),
    );
    expect([actions(a).data[0], actions(b).data[0]]).toEqual([0.5, 0.75]);
  });

  it("says which observation does not fit, and fails only that robot", async () => {
    const { policy } = served();
    const bad: [WireMap, RegExp][] = [
      [see(0, { state: float32([1]) }), /INVALID_SHAPE.*"state"/],
      [see(0, { state: undefined }), /INVALID_SHAPE.*"state"/],
      [see(0, { state: zeros("int32", [3]) }), /INVALID_DTYPE.*"state"/],
      [see(0, { frame: zeros("uint8", [3, 4, 6]) }), /INVALID_SHAPE.*"frame"/],
    ];
    const { results } = await runBatch(policy, items([see(0.5), ...bad.map(([observation]) => observation)]));
    expect("bytes" in results[0]).toBe(true);
    bad.forEach(([, message], i) =>
      expect((results[i + 1] as InferenceResult & { error: { message: string } }).error.message).toMatch(
        message,
      ),
    );
  });

  it("keeps policies that remember apart, one per session", async () => {
    const made: number[] = [];
    const { policy } = served({
      policy: () => {
        const mine = made.length;
        made.push(0);
        return { act: () => Promise.resolve({ actions: float32([mine, ++made[mine]], [1, 2]) }) };
      },
    });
    await policy.infer(ask([see(0), see(0)]));
    const replies = await policy.infer(ask([see(0), see(0)]));
    expect(replies.map((reply) => [...actions(reply).data])).toEqual([
      [0, 2],
      [1, 2],
    ]);
    policy.end?.("0");
    const [fresh] = await policy.infer(ask([see(0)]));
    expect([...actions(fresh).data]).toEqual([2, 1]);
  });
});

describe("frames", () => {
  const picture = (): NdArray<"uint8"> =>
    ndarray(
      "uint8",
      [2, 5, 7, 3],
      Uint8Array.from({ length: 210 }, (_, i) => (i * 37) % 256),
    );

  it("come back from PNG as they were, batches too", async () => {
    const coded = await encodeFrame(picture(), { codec: "png" });
    expect(await decodeFrames(decode(encode({ seen: [coded] })))).toEqual({ seen: [picture()] });
  });

  it("reach a policy decoded", async () => {
    const { policy, calls } = served();
    const frame = ndarray("uint8", [4, 6, 3], new Uint8Array(72).fill(200));
    await runBatch(
      policy,
      items([see(0, { frame: await encodeFrame(frame, { codec: "jpeg", quality: 95 }) })]),
    );
    const seen = (calls[0].observations as { frame: NdArray<"uint8"> }).frame.data;
    expect(Math.max(...seen.map((value) => Math.abs(value - 200)))).toBeLessThanOrEqual(2);
  });

  const lies: readonly [string, WireMap][] = [
    ["another size", { shape: [4, 7, 3] }],
    ["a bomb", { shape: [100_000, 100_000, 3] }],
    ["another codec", { codec: "jpeg" }],
    ["a video", { codec: "h264" }],
    ["no shape", { shape: "big" }],
    ["garbage", { data: new Uint8Array(20) }],
  ];
  const honest = () =>
    encodeFrame(ndarray("uint8", [5, 7, 3], picture().data.slice(0, 105)), {
      codec: "png",
    }) as Promise<WireMap>;

  it.each(lies)("are refused when they claim %s", async (_name, lie) => {
    await expect(decodeFrames({ x: { ...(await honest()), ...lie } })).rejects.toThrow(/PROTOCOL/);
  });

  it("are refused when the file ends early", async () => {
    const { data, ...frame } = await honest();
    await expect(decodeFrames({ ...frame, data: (data as Uint8Array).slice(0, 60) })).rejects.toThrow(
      /PROTOCOL/,
    );
  });
});
