/** @file Text to video on the line world: the words say where the point is, and the frames show it there. */

import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { float32, ndarray, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { frameAt } from "../../../src/data/image.ts";
import { openTextEndpoint } from "../../../src/worldmodel/text/text-endpoint.ts";
import {
  initTextEncoder,
  loadTextEncoder,
  saveTextEncoder,
  wordsOf,
  type TextEncoder,
} from "../../../src/worldmodel/text/text-encoder.ts";
import { trainTextEncoder } from "../../../src/worldmodel/text/text-encoder-train.ts";
import { frameCountOf } from "../../../src/worldmodel/text/text-video.ts";
import { loadTextWorld, saveTextWorld, type TextWorld } from "../../../src/worldmodel/text/text-world.ts";
import { makeTextWorldTrainer } from "../../../src/worldmodel/text/text-world-train.ts";
import { describeNeeding, ffmpeg } from "../../needing.ts";
import { causalConfig } from "../causal-flow-subject.ts";
import { actionSpec, framesOf, lineTokenizer, plain, play, replayOf } from "../line-world.ts";

const folder = mkdtempSync(join(tmpdir(), "reverie-text-"));
const file = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const places = ["left", "middle", "right"];
const starts = ["far to the", "in or near the", "at the outermost"];
const subjects = ["the point", "a dot", "it"];
const pick = <T>(list: readonly T[], rng: Rng): T => list[Math.floor(rng.random() * list.length)];
const sentence = (place: number, rng: Rng): string =>
  `${pick(subjects, rng)} is ${pick(starts, rng)} ${places[place]}`;
const words = [...new Set([...subjects, ...starts, ...places, "is"].flatMap(wordsOf))];
const encoderConfig = { words, length: 10, dim: 16, heads: 2, blocks: 1, size: 8 };
const config = { ...causalConfig(), dim: 32, shortcut: false, textSize: 8 };

let encoder: TextEncoder;
let world: TextWorld;

/** Clips that stay around −1, 0 or 1, and which of them each is. */
function clips() {
  const rng = Rng.fromSeed(1);
  const place = Array.from({ length: 90 }, (_, i) => i % 3);
  const episodes = place.map((value) =>
    play(
      value - 1 + 0.1 * rng.normal(),
      Array.from({ length: 6 }, () => 1.2 * rng.random() - 0.6),
    ),
  );
  return { place, replay: replayOf(episodes) };
}

beforeAll(async () => {
  const { params } = await trainTextEncoder({
    config: encoderConfig,
    counts: [3],
    draw(rng) {
      const place = Math.floor(rng.random() * 3);
      return { text: sentence(place, rng), values: [place] };
    },
    steps: 80,
    learningRate: 0.02,
    seed: 1,
  });
  saveTextEncoder(file("encoder"), { config: encoderConfig, params });
  encoder = loadTextEncoder(file("encoder"));
  const { place, replay } = clips();
  const pool: Float32Array[][] = [];
  for (let value = 0; value < 3; value++) {
    const { data } = await encoder.embed(
      Array.from({ length: 8 }, (_, i) => sentence(value, Rng.fromSeed(i))),
    );
    pool.push(Array.from({ length: 8 }, (_, i) => data.slice(8 * i, 8 * i + 8)));
  }
  const trainer = makeTextWorldTrainer({
    config,
    replay,
    normalizers: plain,
    textOf: (episode, rng) => pick(pool[place[episode]], rng),
    optimizer: { kind: "adamw", clipNorm: 1 },
    averageDecay: 0.95,
    contextNoise: 0.05,
    times: { kind: "uniform" },
    rng: Rng.fromSeed(2),
  });
  for (let i = 0; i < 300; i++)
    await trainer.step(64, 0.01 * Math.min(1, 2 * (1 - i / 300)), Rng.fromSeed([3, i]));
  const parts = { config, params: trainer.params(), normalizers: plain, actionSpec };
  saveTextWorld(file("world"), parts, { tokenizer: lineTokenizer.hash, encoder: encoder.hash });
  world = loadTextWorld(file("world"), lineTokenizer, encoder);
}, 120_000);

/** Mean position over the frames of each row. */
function positions(frames: NdArray<"uint8">): number[] {
  const [batch, count] = frames.shape;
  return Array.from({ length: batch }, (_, b) => {
    let sum = 0;
    for (let t = 0; t < count; t++) sum += (frames.data[(b * count + t) * 3] - 128) / 40;
    return sum / count;
  });
}

const say = (place: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => sentence(place, Rng.fromSeed([9, place, i])));

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe("the small text encoder", () => {
  it("puts sentences of one meaning near each other, of another far away", async () => {
    const { data } = await encoder.embed([...say(0, 6), ...say(2, 6)]);
    const cosine = (a: number, b: number): number => {
      let sum = 0;
      for (let i = 0; i < 8; i++) sum += data[8 * a + i] * data[8 * b + i];
      return sum / 8;
    };
    for (let i = 0; i < 6; i++) {
      expect(cosine(i, i)).toBeCloseTo(1, 3);
      for (let k = 0; k < 6; k++) expect(cosine(0, i)).toBeGreaterThan(cosine(k, 6 + i) + 0.3);
    }
  });

  it("reads words, not their case or punctuation, does not mind unknown ones, and refuses none at all", async () => {
    const [{ data: a }, { data: b }] = [
      await encoder.embed(["The point is far to the LEFT!"]),
      await encoder.embed(["the point is far to the left"]),
    ];
    expect(a).toEqual(b);
    expect((await encoder.embed(["ein Punkt"])).data.every(Number.isFinite)).toBe(true);
    await expect(encoder.embed(["..."])).rejects.toThrow(/INVALID_ARGUMENT/);
  });

  it("gives a text the same vector alone and among others", async () => {
    const all = await encoder.embed(say(1, 40));
    const one = await encoder.embed([say(1, 40)[37]]);
    one.data.forEach((value, i) => expect(value).toBeCloseTo(all.data[37 * 8 + i], 5));
  });
});

describe("an embedding endpoint", () => {
  it("is asked as OpenAI's is, and wrong answers are told", async () => {
    const seen: { body: unknown; authorization: string | undefined }[] = [];
    let size = 3;
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const body = JSON.parse(text) as { input: string[] };
        seen.push({ body, authorization: request.headers.authorization });
        const data = body.input.map((_, index) => ({
          index,
          embedding: new Array<number>(size).fill(index + 1),
        }));
        response.end(JSON.stringify({ data: data.reverse() }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const endpoint = openTextEndpoint({ url, model: "words", size: 3, authorization: "Bearer x" });
    const { shape, data } = await endpoint.embed(["one", "two"]);
    expect(shape).toEqual([2, 3]);
    data.forEach((value) => expect(value).toBeCloseTo(1, 5));
    expect(seen).toEqual([{ body: { model: "words", input: ["one", "two"] }, authorization: "Bearer x" }]);
    size = 4;
    await expect(endpoint.embed(["one"])).rejects.toThrow(/PROTOCOL.*1 lists of 3/s);
    await new Promise((resolve) => server.close(resolve));
    expect(openTextEndpoint({ url, model: "other", size: 3 }).hash).not.toBe(endpoint.hash);
  });
});

describe("video from words", () => {
  it("shows what is said, and swapped words swap it", async () => {
    const count = 16;
    for (const prompts of [
      [...say(0, count), ...say(2, count)],
      [...say(2, count), ...say(0, count)],
    ]) {
      const at = positions(await world.generate({ prompts, count: 3, seed: 5 }));
      const [first, second] = [mean(at.slice(0, count)), mean(at.slice(count))];
      const sign = prompts[0].endsWith("left") ? 1 : -1;
      expect(sign * first).toBeLessThan(-0.6);
      expect(sign * second).toBeGreaterThan(0.6);
    }
    expect(
      Math.abs(mean(positions(await world.generate({ prompts: say(1, count), count: 3 })))),
    ).toBeLessThan(0.4);
  });

  it("does not hear the words without guidance, and keeps to a seed", async () => {
    const options = { count: 2, seed: 3, guidance: 0 };
    const [left, right] = [
      await world.generate({ ...options, prompts: say(0, 4) }),
      await world.generate({ ...options, prompts: say(2, 4) }),
    ];
    expect(left.data).toEqual(right.data);
    const [a, b, c] = [
      await world.generate({ prompts: say(0, 4), count: 2, seed: 3 }),
      await world.generate({ prompts: say(0, 4), count: 2, seed: 3 }),
      await world.generate({ prompts: say(0, 4), count: 2, seed: 4 }),
    ];
    expect(a.data).toEqual(b.data);
    expect(a.data).not.toEqual(c.data);
  });

  it("begins with the picture that it is given", async () => {
    const picture = frameAt(framesOf([1]), 0);
    const { frames } = await world.image2world(picture, "it is far to the right", { durationSeconds: 0.4 });
    expect(frames.shape).toEqual([4, 1, 1, 3]);
    expect(frames.data.slice(0, 3)).toEqual(picture.data);
    expect(positions({ ...frames, shape: [1, 4, 1, 1, 3] })[0]).toBeGreaterThan(0.4);
  });

  it("follows actions from observed frames", async () => {
    const init = { frames: framesOf([0, 0]), states: float32([0, 0], [2, 1]) };
    const ends: number[] = [];
    for (const push of [0.6, -0.6]) {
      const actions = float32([0, push, push, push], [4, 1]);
      const { frames } = await world.video2world(init, actions, "a dot is in or near the middle", {
        guidance: 1,
      });
      expect(frames.shape[0]).toBe(5);
      expect(frames.data.slice(0, 6)).toEqual(init.frames.data);
      ends.push(positions({ ...ndarray("uint8", [1, 1, 1, 1, 3], frames.data.slice(12)) })[0]);
    }
    expect(ends[0] - ends[1]).toBeGreaterThan(0.2);
  });

  it("refuses lengths and sizes that it cannot make, and names the nearest; and parts that do not fit", async () => {
    expect(frameCountOf(1.2, 0.1)).toBe(12);
    expect(() => frameCountOf(1.25, 0.1)).toThrow(/ask for 1\.[23] s/);
    expect(() => frameCountOf(0, 0.1)).toThrow(/ask for 0\.1 s/);
    const size = { width: 10, height: 7 };
    await expect(world.text2world("it", { durationSeconds: 0.1, size })).rejects.toThrow(
      /ask for 9 × 9|ask for 8 × 8/,
    );
    const init = { frames: framesOf([0]), states: zeros("float32", [2, 1]) };
    await expect(world.video2world(init, float32([1], [1, 1]), "it")).rejects.toThrow(/INVALID_SHAPE/);
    await expect(world.generate({ prompts: [], count: 1 })).rejects.toThrow(/INVALID_ARGUMENT/);
  });

  it("belongs to its text encoder", () => {
    saveTextEncoder(file("other"), {
      config: encoderConfig,
      params: initTextEncoder(Rng.fromSeed(8), encoderConfig),
    });
    const other = loadTextEncoder(file("other"));
    expect(() => loadTextWorld(file("world"), lineTokenizer, other)).toThrow(/CHECKPOINT_MISMATCH/);
  });
});

describeNeeding(ffmpeg, "a generated file", () => {
  it("has exactly the frames, size and rate that were asked for, by ffprobe", async () => {
    const size = { width: 16, height: 16 };
    const video = await world.text2world("the point is far to the left", { durationSeconds: 1.3, size });
    await video.save(file("world.mp4"));
    const entries = "stream=nb_read_frames,width,height,r_frame_rate";
    const asked = [
      "-v",
      "error",
      "-count_frames",
      "-show_entries",
      entries,
      "-of",
      "csv=p=0",
      file("world.mp4"),
    ];
    expect(execFileSync("ffprobe", asked).toString().trim()).toBe("16,16,10/1,13");
  });
});
