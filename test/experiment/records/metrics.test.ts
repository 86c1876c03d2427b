/** @file Metrics: lines, their rewinding on resume, and TensorBoard files read back by a parser of their own. */

import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openMetrics, readMetrics } from "../../../src/experiment/records/metrics.ts";
import { crc32c, openEventFile } from "../../../src/experiment/records/tensorboard.ts";
import { readEvents } from "../events.ts";
import { newFolder, thrownBy } from "../folders.ts";

const clockAt = (seconds: number) => (): number => seconds * 1000;

function stepsOf(folder: string, stage: string): number[] {
  return readMetrics(join(folder, "metrics.jsonl"))
    .filter((line) => line.stage === stage)
    .map((line) => line.step);
}

describe("metrics", () => {
  it("writes one line per log with stage, step and time", () => {
    const folder = newFolder();
    const metrics = openMetrics(folder, { now: clockAt(1234.5) });
    metrics.log("train", 3, { loss: 0.25, "rollout/ep_rew_mean": -1 });
    metrics.close();
    expect(readFileSync(join(folder, "metrics.jsonl"), "utf8")).toBe(
      '{"stage":"train","step":3,"time":1234.5,"loss":0.25,"rollout/ep_rew_mean":-1}\n',
    );
  });

  it("refuses NaN and infinity, naming stage, step and metric, and writes nothing of them", async () => {
    const folder = newFolder();
    const metrics = openMetrics(folder);
    metrics.log("train", 0, { loss: 1 });
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const error = await thrownBy(() => metrics.log("train", 7, { fine: 1, loss: value }));
      expect(error.code).toBe("NOT_FINITE");
      expect(error.message).toContain('stage train, step 7: metric "loss"');
    }
    metrics.close();
    expect(stepsOf(folder, "train")).toEqual([0]);
  });

  it("refuses a step that is no step and a metric named like a line's own fields", async () => {
    const metrics = openMetrics(newFolder());
    expect((await thrownBy(() => metrics.log("train", 0.5, { loss: 1 }))).code).toBe("INVALID_ARGUMENT");
    expect((await thrownBy(() => metrics.log("train", -1, { loss: 1 }))).code).toBe("INVALID_ARGUMENT");
    expect((await thrownBy(() => metrics.log("train", 1, { time: 1 }))).message).toContain('"time"');
    metrics.close();
  });

  it("drops the half line of a killed process and goes on after it", () => {
    const folder = newFolder();
    openThenLog(folder, [0, 1]);
    appendFileSync(join(folder, "metrics.jsonl"), '{"stage":"train","step":2,"ti');
    const metrics = openMetrics(folder);
    metrics.log("train", 2, { loss: 0 });
    metrics.close();
    expect(stepsOf(folder, "train")).toEqual([0, 1, 2]);
  });

  it("rewinds one stage to its checkpoint and leaves the others", () => {
    const folder = newFolder();
    openThenLog(folder, [0, 1, 2, 3], "collect");
    openThenLog(folder, [0, 1, 2, 3, 4]);
    const metrics = openMetrics(folder);
    metrics.rewind("train", 1);
    expect(stepsOf(folder, "train")).toEqual([0, 1]);
    metrics.log("train", 2, { loss: 5 });
    metrics.rewind("collect", -1);
    metrics.close();
    expect(stepsOf(folder, "train")).toEqual([0, 1, 2]);
    expect(stepsOf(folder, "collect")).toEqual([]);
  });

  it("replaces the lines of a stage that starts over without rewinding", () => {
    const folder = newFolder();
    openThenLog(folder, [0, 1, 2]);
    openThenLog(folder, [1, 1, 2, 3]);
    expect(stepsOf(folder, "train")).toEqual([0, 1, 1, 2, 3]);
  });

  it("names the damaged line of a file", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "metrics.jsonl"), '{"stage":"a","step":0,"time":0}\n{"stage"\n');
    const error = await thrownBy(() => openMetrics(folder));
    expect(error.code).toBe("CORRUPT_FILE");
    expect(error.message).toContain("metrics.jsonl:2");
  });
});

function openThenLog(folder: string, steps: readonly number[], stage = "train"): void {
  const metrics = openMetrics(folder);
  for (const step of steps) metrics.log(stage, step, { loss: step });
  metrics.close();
}

function eventsIn(folder: string): ReturnType<typeof readEvents> {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readEvents(readFileSync(join(folder, name))));
}

describe("TensorBoard files", () => {
  it("carry the checksums of RFC 3720", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it("hold scalars under the stage's name, or under their own group, one folder per stage", () => {
    const folder = newFolder();
    const metrics = openMetrics(folder);
    metrics.log("policy", 70_000, { loss: 0.5, "rollout/ep_rew_mean": -2 });
    metrics.close();
    const [version, ...events] = eventsIn(join(folder, "tensorboard", "policy"));
    expect(version.version).toBe("brain.Event:2");
    expect(events.map(({ step, tag, scalar }) => [step, tag, scalar])).toEqual([
      [70_000, "policy/loss", 0.5],
      [70_000, "rollout/ep_rew_mean", -2],
    ]);
  });

  it("tell readers to forget what a resumed stage does again", () => {
    const folder = newFolder();
    openThenLog(folder, [0, 1, 2, 3]);
    const metrics = openMetrics(folder);
    metrics.rewind("train", 1);
    metrics.log("train", 2, { loss: 9 });
    metrics.close();
    const files = readdirSync(join(folder, "tensorboard", "train"));
    expect(files).toHaveLength(2);
    expect(
      eventsIn(join(folder, "tensorboard", "train"))
        .filter(({ start }) => start)
        .map(({ step }) => step),
    ).toEqual([2]);
  });

  it("are named in the order of their making, even within one second", () => {
    const folder = newFolder();
    for (let i = 0; i < 4; i++) {
      const writer = openEventFile(folder);
      writer.scalar("a", i, i);
      writer.close();
    }
    expect(eventsIn(folder).flatMap(({ scalar }) => scalar ?? [])).toEqual([0, 1, 2, 3]);
  });

  it("hold images with their size and text under the text plugin", () => {
    const folder = newFolder();
    const writer = openEventFile(folder);
    const png = Uint8Array.from([137, 80, 78, 71]);
    writer.image("policy/frame", 5, { width: 300, height: 64, png });
    writer.text("run/config", 0, "**bold** ü");
    writer.close();
    const [, image, text] = eventsIn(folder);
    expect(image).toMatchObject({
      step: 5,
      tag: "policy/frame",
      image: { height: 64, width: 300, channels: 3 },
    });
    expect([...(image.image?.png ?? [])]).toEqual([...png]);
    expect(text).toMatchObject({ tag: "run/config", plugin: "text", text: "**bold** ü" });
  });
});
