/** @file A world model on a server: what is sent, what is refused before it is sent, and every way in which a server can fail. */

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { float32, ndarray, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { decodeImage, frameAt } from "../../src/data/image.ts";
import { openVideo } from "../../src/data/video.ts";
import { makeRemoteWorldModel, type RemoteModelOptions } from "../../src/worldmodel/remote.ts";
import { checkFrameCount } from "../../src/worldmodel/remote/chunks.ts";
import { makeHttpClient, type HttpOptions } from "../../src/worldmodel/remote/http.ts";
import { openNim, type ForwardServer } from "../../src/worldmodel/remote/nim.ts";
import { openOmni } from "../../src/worldmodel/remote/omni.ts";
import { letterbox, unletterbox } from "../../src/worldmodel/remote/pictures.ts";
import { describeNeeding, ffmpeg } from "../needing.ts";
import { actionSpec } from "./line-world.ts";
import { plainCodec, ToyServer, type Fault, type ToyCodec } from "./remote-server.ts";

const side = 8;
const dynamics = { domain: "av", actionSize: 1, prompt: "a car", rateHz: 10 };

let toy: ToyServer;
let url: string;

async function start(codec?: ToyCodec): Promise<void> {
  toy = new ToyServer(codec);
  url = await toy.open();
}

beforeEach(() => start());
afterEach(() => toy.close());

type Kind = "nim" | "omni";
const open = (kind: Kind, http: Partial<HttpOptions> = {}): ForwardServer =>
  (kind === "nim" ? openNim : openOmni)({ url, ...dynamics, pollMs: 1, retryPauseMs: 1, ...http });

function modelOf(server: ForwardServer, over: Partial<RemoteModelOptions> = {}) {
  const options = { server, actionSpec, frameShape: [side, side, 3] as const, codec: plainCodec };
  return makeRemoteWorldModel({ ...options, chunkActions: 4, ...over });
}

const grey = (batch: number, values: readonly number[], size = side): NdArray<"uint8"> => {
  const out = zeros("uint8", [batch, 1, size, size, 3]);
  const stride = out.data.length / batch;
  values.forEach((value, b) => out.data.fill(value, b * stride, (b + 1) * stride));
  return out;
};

const begin = (model: ReturnType<typeof modelOf>, values: readonly number[]) =>
  model.encode(
    { frame: grey(values.length, values), state: zeros("float32", [values.length, 1, 0]) },
    zeros("float32", [values.length, 0, 1]),
  );

const request = async (count: number, row: readonly number[] = [1]) => ({
  image: await plainCodec.encodeImage(zeros("uint8", [side, side, 3])),
  width: 256,
  height: 256,
  actions: Array.from({ length: count }, () => row),
  seed: 0,
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: unknown) => `${(error as { code: string }).code} ${(error as Error).message}`,
  );

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("reverie-remote-"));

describe("frame counts and chunks", () => {
  it("takes 25 and 189 frames, refuses 24 and 190 and tells the nearest", () => {
    expect(checkFrameCount(25, "256")).toBe(25);
    expect(checkFrameCount(189, "720_16_9")).toBe(189);
    expect(() => checkFrameCount(24, "256")).toThrow(/ask for 25/);
    expect(() => checkFrameCount(190, "256")).toThrow(/ask for 189/);
    expect(() => checkFrameCount(201, "720")).toThrow(/ask for 197/);
    expect(() => checkFrameCount(25, "512")).toThrow(/UNKNOWN_NAME/);
  });

  it.each(["nim", "omni"] as const)("%s: refuses 15 actions, and answers 16 with 17 frames", async (kind) => {
    const server = open(kind);
    expect(await codeOf(request(15).then((given) => server.forward(given)))).toMatch(
      /INVALID_ARGUMENT.*use 16/s,
    );
    expect(toy.seen).toHaveLength(0);
    const video = await plainCodec.decodeVideo(await server.forward(await request(16)), 17);
    expect(video.shape[0]).toBe(17);
  });

  it.each(["nim", "omni"] as const)(
    "%s: refuses NaN and rows of another width before anything is sent",
    async (kind) => {
      const server = open(kind);
      expect(await codeOf(request(4, [Number.NaN]).then((given) => server.forward(given)))).toMatch(
        /^INVALID_ARGUMENT/,
      );
      expect(await codeOf(request(4, [1, 2]).then((given) => server.forward(given)))).toMatch(
        /^INVALID_SHAPE/,
      );
      expect(toy.seen).toHaveLength(0);
    },
  );

  it("makes videos from words, of counts that the server can make", async () => {
    const nim = openNim({ url, ...dynamics });
    const asked = { prompt: "a road", resolution: "256", fps: 10, seed: 3 };
    const video = await plainCodec.decodeVideo(await nim.generate({ ...asked, frames: 29 }), 29);
    expect(video.shape[0]).toBe(29);
    expect(await codeOf(nim.generate({ ...asked, frames: 30 }))).toMatch(/^INVALID_ARGUMENT.*ask for 29/s);
    expect(toy.seen).toHaveLength(1);
  });
});

describe("the loop around a server", () => {
  it.each(["nim", "omni"] as const)(
    "%s: joins chunks without the frame that two of them share",
    async (kind) => {
      const model = modelOf(open(kind));
      const frames = await model.imagine(
        await begin(model, [20, 90]),
        float32(new Array(20).fill(1), [2, 10, 1]),
        Rng.fromSeed(1),
      );
      expect(frames.shape).toEqual([2, 10, side, side, 3]);
      const means = Array.from({ length: 20 }, (_, i) => frames.data[i * side * side * 3]);
      for (let t = 0; t < 20; t++) {
        const before = t === 0 ? 20 : t === 10 ? 90 : means[t - 1];
        // Ten per action, and up to four by the seed where a chunk begins.
        const slack = t % 10 === 0 || t % 10 === 4 || t % 10 === 8 ? 4 : 0;
        expect(means[t] - before).toBeGreaterThanOrEqual(10);
        expect(means[t] - before).toBeLessThanOrEqual(10 + slack);
      }
      expect(toy.count(kind === "nim" ? "/v1/infer" : "/v1/videos")).toBeGreaterThanOrEqual(6);
      expect(toy.jobs).toBe(0);
    },
  );

  it("steps to the frame that a chunk of that action begins with", async () => {
    const model = modelOf(open("nim"), {
      judge: (_before, _action, after) => ({ reward: after.data[0], terminated: 0.25 }),
    });
    const state = await begin(model, [30]);
    const stepped = await model.step(state, float32([0.5], [1, 1]), Rng.fromSeed(7));
    const imagined = await model.imagine(state, float32([0.5], [1, 1, 1]), Rng.fromSeed(7));
    expect((await model.decode(stepped.state)).frame.data).toEqual(imagined.data);
    expect(stepped.rewards.data[0]).toBe(imagined.data[0]);
    expect(stepped.terminatedProbabilities.data[0]).toBe(0.25);
  });

  it("sends physical units, or the server's by `toServer`", async () => {
    const spec = { ...actionSpec, low: [0], high: [8] };
    const toServer = ([metres]: readonly number[]): number[] => [metres / 4];
    const model = modelOf(open("nim"), { actionSpec: spec, toServer });
    await model.step(await begin(model, [30]), float32([0.5], [1, 1]), Rng.fromSeed(7));
    const { action_params: params } = toy.seen[0].body as { action_params: { action: number[][] } };
    expect(params.action).toEqual([[1.5], [1.5], [1.5], [1.5]]);
  });

  it("asks for no more rows at a time than it may", async () => {
    const model = modelOf(open("nim"), { concurrency: 3 });
    await model.step(await begin(model, [1, 2, 3, 4, 5, 6, 7]), zeros("float32", [7, 1]), Rng.fromSeed(1));
    expect(toy.count("/v1/infer")).toBe(7);
    expect(toy.busiest).toBeLessThanOrEqual(3);
  });

  it("gives a frame of another form back as it was", () => {
    const frame = zeros("uint8", [24, 40, 3]);
    frame.data.forEach((_, i) => (frame.data[i] = 60 + 2 * (Math.floor(i / 3) % 40)));
    const canvas = { width: 320, height: 192 };
    const sent = letterbox(frame, canvas);
    expect(sent.shape).toEqual([192, 320, 3]);
    const back = unletterbox(ndarray("uint8", [1, 192, 320, 3], sent.data), canvas, {
      width: 40,
      height: 24,
    });
    back.data.forEach((value, i) => expect(Math.abs(value - frame.data[i])).toBeLessThanOrEqual(2));
    const square = zeros("uint8", [1, 256, 256, 3]);
    expect(() => unletterbox(square, canvas, { width: 40, height: 24 })).toThrow(/PROTOCOL/);
  });
});

describe("a server that fails", () => {
  const stepOf = async (server: ForwardServer, over?: Partial<RemoteModelOptions>): Promise<string> => {
    const model = modelOf(server, over);
    return codeOf(model.step(await begin(model, [9]), zeros("float32", [1, 1]), Rng.fromSeed(1)));
  };
  const ail = (kind: Fault["kind"], times = 1): void => void toy.faults.push({ kind, times });

  it("refuses a field that it does not know, and the error says which", async () => {
    const client = makeHttpClient({ url });
    const body = { model_mode: "text2video", seed: 1, num_output_frames: 25 };
    const code = await codeOf(client.json({ method: "POST", path: "/v1/infer", body }));
    expect(code).toMatch(/^INVALID_ARGUMENT.*Unknown field: num_output_frames/s);
  });

  it.each(["nim", "omni"] as const)(
    "%s: is blocked by a guardrail: a code of its own, at once",
    async (kind) => {
      ail("guardrail");
      expect(await stepOf(open(kind))).toMatch(/^GUARDRAIL_BLOCKED/);
      expect(toy.seen).toHaveLength(1);
    },
  );

  it("runs the other runtime: 404 is explained", async () => {
    ail("reasoner");
    expect(await stepOf(open("nim"))).toMatch(/^NOT_SUPPORTED.*Reasoner/s);
  });

  it.each([
    ["only-action", "nim", /^PROTOCOL.*no video/s],
    ["empty", "nim", /^PROTOCOL.*no video/s],
    ["html", "nim", /^PROTOCOL.*JSON/s],
    ["html", "omni", /^PROTOCOL.*JSON/s],
    ["missing-frame", "nim", /^PROTOCOL.*5 frames.*4/s],
    ["missing-frame", "omni", /^PROTOCOL.*5 frames.*4/s],
  ] as const)("answers %s to %s: told as what it is", async (fault, kind, says) => {
    ail(fault);
    expect(await stepOf(open(kind))).toMatch(says);
  });

  it("is asked again only where it had not begun", async () => {
    ail("busy", 2);
    expect(await stepOf(open("nim"))).toBe("no error");
    expect(toy.count("/v1/infer")).toBe(3);
    ail("drop");
    expect(await stepOf(open("nim"))).toMatch(/^CONNECTION_LOST/);
    expect(toy.count("/v1/infer")).toBe(4);
    ail("busy", 9);
    expect(await stepOf(open("nim", { retries: 1 }))).toMatch(/^REMOTE_FAILED/);
  });

  it("is not there", async () => {
    await toy.close();
    expect(await stepOf(open("nim", { retries: 1 }))).toMatch(/^CONNECTION_LOST.*ECONNREFUSED/s);
    expect(() => makeHttpClient({ url: "localhost:8000" })).toThrow(/INVALID_ARGUMENT/);
    await start();
  });

  it("answers with more bytes than are read", async () => {
    ail("huge");
    expect(await stepOf(open("nim", { maxAnswerBytes: 100_000 }))).toMatch(/^PROTOCOL.*100000 bytes/s);
  });

  it.each(["nim", "omni"] as const)("%s: hangs: an end by time, and one by the caller", async (kind) => {
    ail("hang", 2);
    expect(await stepOf(open(kind, { timeoutMs: 60 }))).toMatch(/^TIMEOUT/);
    const stop = new AbortController();
    const before = toy.seen.length;
    const look = setInterval(() => toy.seen.length > before && stop.abort(), 1);
    expect(await stepOf(open(kind), { signal: stop.signal })).toMatch(/^INTERRUPTED/);
    clearInterval(look);
    expect(toy.seen.length).toBe(before + 1);
  });

  it("fails a job, works too long on one, or is told to stop: no job stays", async () => {
    ail("fail-job");
    expect(await stepOf(open("omni"))).toMatch(/^REMOTE_FAILED.*out of memory/s);
    toy.jobLooks = 1e9;
    const slow = openOmni({ url, ...dynamics, pollMs: 1, jobTimeoutMs: 30 });
    expect(await stepOf(slow)).toMatch(/^TIMEOUT/);
    const stop = new AbortController();
    const look = setInterval(() => toy.jobs > 0 && stop.abort(), 1);
    expect(await stepOf(open("omni"), { signal: stop.signal })).toMatch(/^INTERRUPTED/);
    clearInterval(look);
    await vi.waitFor(() => expect(toy.seen.filter(({ method }) => method === "DELETE")).toHaveLength(3));
    expect(toy.jobs).toBe(0);
    expect(leftovers()).toEqual([]);
  });

  it.each(["nim", "omni"] as const)(
    "%s: is live and not ready: it is waited for, not for ever",
    async (kind) => {
      toy.notReadyFor = 5;
      await open(kind, { retries: 0 }).waitReady({ pauseMs: 1 });
      expect(toy.seen).toHaveLength(6);
      toy.notReadyFor = 1e9;
      const wait = open(kind, { retries: 0 }).waitReady({ pauseMs: 1, timeoutMs: 30 });
      expect(await codeOf(wait)).toMatch(/^TIMEOUT/);
    },
  );

  it("says of itself what it is", async () => {
    expect(await openNim({ url, ...dynamics }).metadata()).toMatchObject({ model_variant: "toy" });
  });
});

/** JPEG read, H.264 in MP4 written: what servers speak. */
const filmCodec: ToyCodec = {
  decodeImage: (bytes) => decodeImage(bytes),
  async encodeVideo(frames) {
    const file = join(tmpdir(), `remote-test-${process.pid}-${Math.trunc(performance.now() * 1000)}.mp4`);
    const [count, height, width] = frames.shape;
    const video = await openVideo(file, { width, height, fps: 10, quality: 1 });
    for (let t = 0; t < count; t++) await video.write(frameAt(frames, t));
    await video.close();
    const bytes = new Uint8Array(readFileSync(file));
    rmSync(file);
    return bytes;
  },
};

describeNeeding(ffmpeg, "JPEG to a server and H.264 back", () => {
  beforeEach(async () => {
    await toy.close();
    await start(filmCodec);
  });

  it.each(["nim", "omni"] as const)(
    "%s: keeps the frames' count, size and, nearly, their values",
    async (kind) => {
      const model = modelOf(open(kind), { codec: undefined });
      const frames = await model.imagine(
        await begin(model, [40]),
        float32([1, 1, 1], [1, 3, 1]),
        Rng.fromSeed(1),
      );
      expect(frames.shape).toEqual([1, 3, side, side, 3]);
      for (let t = 1; t < 3; t++) {
        const rise = frames.data[t * side * side * 3] - frames.data[(t - 1) * side * side * 3];
        expect(rise).toBeGreaterThan(5);
        expect(rise).toBeLessThan(19);
      }
      expect(leftovers()).toEqual([]);
    },
  );

  it("refuses a video that is too short, and leaves no file behind", async () => {
    toy.faults.push({ kind: "missing-frame", times: 1 });
    const model = modelOf(open("nim"), { codec: undefined });
    const state = await begin(model, [40]);
    expect(await codeOf(model.step(state, zeros("float32", [1, 1]), Rng.fromSeed(1)))).toMatch(
      /^CORRUPT_FILE/,
    );
    expect(leftovers()).toEqual([]);
  });
});
