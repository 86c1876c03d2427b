/** @file Videos: what ffmpeg and sharp read back has every frame, the right size, speed and picture. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openVideo } from "../../src/data/video.ts";
import { describeNeeding, ffmpeg } from "../needing.ts";
import { meanDifference, movingFrame } from "./frames.ts";

const countListeners = (): number[] =>
  (["uncaughtException", "unhandledRejection"] as const).map((event) => process.listenerCount(event));
const listenersBefore = countListeners();

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "videos-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

interface Take {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  readonly fps?: number;
  readonly quality?: number;
}

async function record({ name, height, width, frames, fps = 10, quality }: Take): Promise<string> {
  const path = join(dir, name);
  const video = await openVideo(path, { height, width, fps, quality });
  for (let time = 0; time < frames; time++) await video.write(movingFrame(height, width, time));
  expect(video.frames).toBe(frames);
  await video.close();
  return path;
}

function probe(path: string): Record<string, string> {
  const fields = "stream=codec_name,width,height,r_frame_rate,nb_read_frames,duration";
  const args = ["-v", "error", "-count_frames", "-show_entries", fields, "-of", "json", path];
  return (
    JSON.parse(execFileSync("ffprobe", args, { encoding: "utf8" })) as { streams: Record<string, string>[] }
  ).streams[0];
}

function decode(path: string): Buffer {
  const args = ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
  return execFileSync("ffmpeg", args, { maxBuffer: 1 << 28 });
}

describeNeeding(ffmpeg, "a video read by ffmpeg", () => {
  it.each([
    [1, 64, 64, 10],
    [37, 64, 96, 10],
    [50, 48, 64, 30],
    [20, 48, 64, 29.97],
    [8, 33, 51, 7],
  ])(
    "has all %i frames of %i × %i pixels at %f (whole) fps as MP4, padded to even sizes",
    async (frames, height, width, fps) => {
      const path = await record({ name: "a.mp4", height, width, frames, fps });
      const stream = probe(path);
      expect(stream).toMatchObject({ codec_name: "h264", nb_read_frames: String(frames) });
      expect([stream.height, stream.width]).toEqual([height + (height % 2), width + (width % 2)]);
      expect(Number(stream.duration)).toBeCloseTo(frames / Math.round(fps), 1);
    },
  );

  it("shows in MP4 what was written, frame by frame", async () => {
    const [height, width, frames] = [64, 64, 20];
    const pixels = decode(await record({ name: "a.mp4", height, width, frames, quality: 1 }));
    for (let time = 0; time < frames; time++) {
      const frame = pixels.subarray(time * height * width * 3, (time + 1) * height * width * 3);
      const differences = [time - 1, time, time + 1].map((t) =>
        meanDifference(frame, movingFrame(height, width, t).data),
      );
      expect(differences[1]).toBe(Math.min(...differences));
      expect(differences[1]).toBeLessThan(3.5); // half the colour resolution is lost
    }
  });

  it("repeats the edge of an odd frame instead of darkening it", async () => {
    const pixels = decode(await record({ name: "a.mp4", height: 31, width: 31, frames: 1, quality: 1 }));
    const corner = pixels.subarray((32 * 32 - 1) * 3);
    expect(meanDifference(corner, movingFrame(31, 31, 0).data.slice(-3))).toBeLessThan(12);
  });

  it("has all frames and the exact size as GIF, 8 per second kept over the whole length", async () => {
    const stream = probe(await record({ name: "a.gif", height: 31, width: 45, frames: 40, fps: 8 }));
    expect(stream).toMatchObject({ codec_name: "gif", nb_read_frames: "40", width: 45, height: 31 });
    expect(Number(stream.duration)).toBeCloseTo(5, 1);
  });

  it("shows in GIF what was written", async () => {
    const pixels = decode(await record({ name: "a.gif", height: 40, width: 40, frames: 3 }));
    expect(meanDifference(pixels.subarray(-4800), movingFrame(40, 40, 2).data)).toBeLessThan(3);
  });
});

describe("a video", () => {
  it("has all frames, sizes and times as animated WebP", async () => {
    const path = await record({ name: "a.webp", height: 31, width: 45, frames: 12, fps: 30 });
    const { pages, width, pageHeight, delay = [], loop } = await sharp(path, { animated: true }).metadata();
    expect({ pages, width, pageHeight, loop }).toEqual({ pages: 12, width: 45, pageHeight: 31, loop: 0 });
    expect(delay.reduce((sum, ms) => sum + ms, 0)).toBe(400);
    const pixels = await sharp(path, { page: 11 }).removeAlpha().raw().toBuffer();
    expect(meanDifference(pixels, movingFrame(31, 45, 11).data)).toBeLessThan(6);
  });

  it("does not mix with another one that is written at the same time", async () => {
    const paths = await Promise.all(
      [5, 9].map((frames) => record({ name: `${frames}.mp4`, height: 32, width: 32, frames })),
    );
    const alone = await record({ name: "alone.mp4", height: 32, width: 32, frames: 5 });
    expect(readFileSync(paths[0])).toEqual(readFileSync(alone));
    expect(readFileSync(paths[1]).length).toBeGreaterThan(readFileSync(alone).length);
  });

  it("is the same file whenever it is made: an MP4 tells no time", async () => {
    const make = (name: string): Promise<string> => record({ name, height: 32, width: 32, frames: 3 });
    const before = readFileSync(await make("before.mp4"));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(readFileSync(await make("after.mp4"))).toEqual(before);
  });

  it("appears when it is closed and not before", async () => {
    const path = join(dir, "new", "a.gif");
    const video = await openVideo(path, { height: 8, width: 8, fps: 10 });
    await video.write(movingFrame(8, 8, 0));
    expect(readdirSync(join(dir, "new")).filter((name) => !name.startsWith("."))).toEqual([]);
    await video.close();
    expect(readdirSync(join(dir, "new"))).toEqual(["a.gif"]);
  });

  it.each(["a.mp4", "a.gif", "a.webp"])(
    "leaves nothing behind when %s is dropped or stays empty",
    async (name) => {
      const dropped = await openVideo(join(dir, name), { height: 8, width: 8, fps: 10 });
      await dropped.write(movingFrame(8, 8, 0));
      await dropped.discard();
      const empty = await openVideo(join(dir, name), { height: 8, width: 8, fps: 10 });
      await expect(empty.close()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(readdirSync(dir)).toEqual([]);
    },
  );

  it("refuses a frame of another size and goes on", async () => {
    const video = await openVideo(join(dir, "a.mp4"), { height: 16, width: 16, fps: 10 });
    await expect(video.write(movingFrame(16, 18, 0))).rejects.toMatchObject({ code: "INVALID_SHAPE" });
    await video.write(movingFrame(16, 16, 0));
    expect(video.frames).toBe(1);
    await video.close();
  });

  it("is refused by name for an unknown extension", async () => {
    const opening = openVideo(join(dir, "a.mp3"), { height: 16, width: 16, fps: 10 });
    await expect(opening).rejects.toMatchObject({
      code: "UNKNOWN_NAME",
      message: expect.stringContaining('".mp4"?'),
    });
  });

  it.each([{ fps: 0 }, { fps: NaN }, { width: 0 }, { height: 1.5 }, { quality: 2 }])(
    "is refused with %o",
    async (change) => {
      const options = { height: 16, width: 16, fps: 10, ...change };
      await expect(openVideo(join(dir, "a.mp4"), options)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    },
  );

  it("says that a place cannot be written", async () => {
    writeFileSync(join(dir, "file"), "");
    for (const name of ["a.mp4", "a.gif", "a.webp"]) {
      const write = async (): Promise<void> => {
        const video = await openVideo(join(dir, "file", name), { height: 8, width: 8, fps: 10 });
        await video.write(movingFrame(8, 8, 0));
        await video.close();
      };
      await expect(write()).rejects.toMatchObject({ code: "IO_FAILED" });
    }
  });

  it("leaves the process without the encoder's listeners", async () => {
    await record({ name: "a.mp4", height: 16, width: 16, frames: 1 });
    expect(countListeners()).toEqual(listenersBefore);
  });
});
