/** @file The recorder: what is in an episode, and what survives a kill, a torn file and a lost connection. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ReverieError } from "../../../src/core/errors.ts";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { loadEpisode, loadEpisodes } from "../../../src/data/episode-store.ts";
import { openRecorder } from "../../../src/bridge/recorder.ts";
import type { Recorder } from "../../../src/bridge/recorder.ts";
import { openJournal, readJournal } from "../../../src/bridge/recorder/journal.ts";
import { recordedPolicy } from "../../../src/bridge/recorder/recorded-policy.ts";
import { RecordedEnv } from "../../../src/bridge/recorder/recorded-env.ts";
import { CountingEnv } from "../../agents/toys.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "recorder-"));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const observation = (step: number) => ({
  frame: ndarray("uint8", [2, 2, 3], new Uint8Array(12).fill(step)),
  state: float32([step]),
  depth: ndarray("uint16", [2], Uint16Array.of(step, step + 1)),
});

function record(recorder: Recorder, id: string, steps: number): ReturnType<Recorder["begin"]> {
  const recording = recorder.begin({
    id,
    low: [0, -1],
    high: [2, 1],
    meta: { robot: "toy" },
    observation: observation(0),
  });
  for (let step = 1; step <= steps; step++) {
    recording.step({
      reward: step,
      commanded: float32([2, 1]),
      executed: float32([1.5, 0.5]),
      observation: observation(step),
      facts: { seq: 10 + step, "observation/capturedMs": 100 * step },
    });
  }
  return recording;
}

describe("an episode", () => {
  it("holds observations, commanded and executed actions, sequence numbers and stamps", async () => {
    const recorder = await openRecorder(dir);
    const file = await record(recorder, "one", 3).end({ terminated: true, truncated: false });
    const episode = await loadEpisode(file as string);
    expect(episode).toMatchObject({
      id: "one",
      terminated: true,
      truncated: false,
      meta: { robot: "toy", interrupted: false },
    });
    expect(episode.frames.shape).toEqual([4, 2, 2, 3]);
    expect([...episode.states.data]).toEqual([0, 1, 2, 3]);
    expect([...episode.rewards.data]).toEqual([1, 2, 3]);
    expect(Array.from(episode.actions.data.slice(0, 2))).toEqual([0.5, 0.5]);
    expect([...(episode.extras?.commanded.data ?? [])].slice(0, 2)).toEqual([2, 1]);
    expect([...(episode.extras?.seq.data ?? [])]).toEqual([11, 12, 13]);
    expect([...(episode.extras?.["observation/capturedMs"].data ?? [])]).toEqual([NaN, 100, 200, 300]);
    expect(episode.extras?.["observation/depth"].shape).toEqual([4, 2]);
  });

  it("without a step leaves no file", async () => {
    const recorder = await openRecorder(dir);
    expect(await record(recorder, "none", 0).end({ terminated: false, truncated: true })).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);
  });

  it("whose id would name another folder is refused", async () => {
    const recorder = await openRecorder(dir);
    expect(() => record(recorder, "../x", 1)).toThrow(/INVALID_ARGUMENT/);
  });
});

describe("after kill -9", () => {
  it("the finished episode is whole, and the one under way becomes whole up to its last step", async () => {
    const script = new URL("./recording-process.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, ["--import", "tsx", script, dir], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");

    expect((await loadEpisodes(dir)).map(({ id }) => id)).toEqual(["finished"]);
    const recorder = await openRecorder(dir);
    expect(recorder.recovered).toHaveLength(1);
    const episode = await loadEpisode(recorder.recovered[0]);
    const steps = episode.rewards.shape[0];
    expect(steps).toBeGreaterThanOrEqual(50);
    expect(episode).toMatchObject({
      id: "killed",
      terminated: false,
      truncated: true,
      meta: { interrupted: true },
    });
    expect([...episode.rewards.data]).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    expect(episode.frames.data[75 * steps]).toBe(steps % 256);
    expect(readdirSync(dir).filter((name) => name.endsWith(".journal"))).toEqual([]);
  });

  it("a torn or damaged last record costs that record and no other", async () => {
    const file = join(dir, "a.journal");
    const journal = openJournal(file);
    for (let i = 0; i < 3; i++) journal.append({ i });
    journal.close();
    const whole = readFileSync(file);
    for (let cut = 1; cut < 16; cut++) {
      writeFileSync(file, whole.subarray(0, whole.length - cut));
      expect(readJournal(file)).toEqual([{ i: 0 }, { i: 1 }]);
    }
    const flipped = Buffer.from(whole);
    flipped[flipped.length - 1] ^= 1;
    writeFileSync(file, flipped);
    expect(readJournal(file)).toHaveLength(2);
    appendFileSync(file, "noise");
    expect(readJournal(file)).toHaveLength(2);
    writeFileSync(file, "no journal at all");
    expect(readJournal(file)).toEqual([]);
  });

  it("a journal that a living process writes is left alone", async () => {
    const first = await openRecorder(dir);
    const recording = record(first, "busy", 2);
    const second = await openRecorder(dir);
    expect(second.recovered).toEqual([]);
    expect(await recording.end({ terminated: false, truncated: true })).toBeDefined();
  });
});

describe("a recorded env", () => {
  it("records each row's episodes and passes everything through", async () => {
    const recorder = await openRecorder(dir);
    const env = new RecordedEnv(new CountingEnv(2, 2), recorder, { meta: { env: "counting" } });
    await env.reset();
    await env.step(float32([0.25, 0.5], [2, 1]));
    const batch = await env.step(float32([0.25, 0.5], [2, 1]));
    expect([...batch.terminations.data]).toEqual([1, 0]);
    await env.reset({ mask: ndarray("bool", [2], Uint8Array.of(1, 0)) });
    await env.step(float32([1, 1], [2, 1]));
    await env.close();
    const episodes = (await loadEpisodes(dir)).map(({ rewards, terminated, truncated, states }) => ({
      rewards: [...rewards.data],
      states: [...states.data],
      ended: [terminated, truncated],
    }));
    expect(episodes).toHaveLength(3);
    expect(episodes).toContainEqual({ rewards: [0.25, 0.25], states: [0, 1, 2], ended: [true, false] });
    expect(episodes).toContainEqual({ rewards: [0.5, 0.5, 1], states: [0, 1, 2, 3], ended: [true, false] });
    expect(episodes).toContainEqual({ rewards: [1], states: [0, 1], ended: [false, true] });
  });

  it("records what was executed where the env says so, and what was wanted beside it", async () => {
    const recorder = await openRecorder(dir);
    const inner = new CountingEnv();
    const step = inner.step.bind(inner);
    const here = ndarray("bool", [1], Uint8Array.of(1));
    inner.step = async (actions) => ({
      ...(await step(actions)),
      infos: { executed: { values: ndarray("float64", [1, 1], Float64Array.of(0.25)), mask: here } },
    });
    const env = new RecordedEnv(inner, recorder);
    await env.reset();
    await env.step(float32([1], [1, 1]));
    await env.close();
    const [{ actions, extras }] = await loadEpisodes(dir);
    expect([actions.data[0], extras?.executed.data[0], extras?.commanded.data[0]]).toEqual([0.25, 0.25, 1]);
  });

  it("keeps the episode of a connection that is lost, as truncated, and says why", async () => {
    const recorder = await openRecorder(dir);
    const inner = new CountingEnv();
    const env = new RecordedEnv(inner, recorder);
    await env.reset();
    await env.step(float32([1], [1, 1]));
    inner.onStep = () => {
      throw new ReverieError({ code: "CONNECTION_LOST", what: "gone" });
    };
    await expect(env.step(float32([1], [1, 1]))).rejects.toThrow("gone");
    const [episode] = await loadEpisodes(dir);
    expect(episode).toMatchObject({ truncated: true, meta: { cut: "CONNECTION_LOST" } });
    expect(episode.rewards.shape).toEqual([1]);
  });
});

it("a served policy's sessions become episodes of what it was shown and what it answered", async () => {
  const recorder = await openRecorder(dir);
  const served = recordedPolicy(
    {
      infer: (requests) =>
        requests.map(({ observation }) => ({
          actions: float32([Number((observation.state as NdArray).data[0]) / 10, 0], [2, 1]),
        })),
    },
    recorder,
    { low: [0], high: [1], meta: { server: "lab" } },
  );
  const request = (session: string, state: number, begins: boolean) => ({
    session,
    begins,
    observation: {
      state: float32([state]),
      images: { top: ndarray("uint8", [1, 1, 3], Uint8Array.of(state, 0, 0)) },
      prompt: "go",
    },
  });
  await served.infer([request("a", 1, true), request("b", 5, true)]);
  await served.infer([request("a", 2, false)]);
  await served.infer([request("a", 3, false), request("b", 6, false)]);
  served.end?.("a");
  await served.close?.();
  const episodes = await loadEpisodes(dir);
  const a = episodes.find(({ meta }) => meta.session === "a");
  const executed = a?.extras?.executed as NdArray<"float32"> | undefined;
  expect(episodes).toHaveLength(2);
  expect(a?.meta).toMatchObject({ server: "lab", prompt: "go" });
  expect(Array.from(a?.states.data ?? [])).toEqual([1, 2, 3]);
  expect(Array.from(a?.frames.data ?? [])).toEqual([1, 0, 0, 2, 0, 0, 3, 0, 0]);
  expect(Array.from(executed?.data ?? [], (value) => Math.round(Number(value) * 10))).toEqual([1, 2]);
});
