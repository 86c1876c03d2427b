/** @file Images: files read back, resizing against known answers, drawing that stays inside its image. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ndarray, zeros } from "../../src/core/ndarray.ts";
import {
  decodeImage,
  drawImage,
  enlargeImage,
  fillRectangle,
  frameAt,
  loadImage,
  makeImage,
  saveImage,
} from "../../src/data/image.ts";
import type { Image } from "../../src/data/image.ts";
import { composeMosaic } from "../../src/data/mosaic.ts";
import { encodePng } from "../../src/data/png.ts";
import { resizeImage } from "../../src/data/resize.ts";
import { drawText, measureText } from "../../src/data/text.ts";
import { meanDifference, movingFrame } from "./frames.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "images-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const images = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([height, width]) =>
    fc
      .uint8Array({ minLength: height * width * 3, maxLength: height * width * 3 })
      .map((data): Image => ndarray("uint8", [height, width, 3], new Uint8Array(data))),
  );

const channel = (image: Image, c = 0): number[] => Array.from(image.data).filter((_, i) => i % 3 === c);
const gray = (rows: readonly (readonly number[])[]): Image =>
  ndarray("uint8", [rows.length, rows[0].length, 3], Uint8Array.from(rows.flat().flatMap((v) => [v, v, v])));

describe("a picture file", () => {
  it("is lossless as PNG, read by libpng", async () => {
    await fc.assert(
      fc.asyncProperty(images, fc.constantFrom(1, 9), async (image, level) => {
        expect(await decodeImage(encodePng(image, level))).toEqual(image);
      }),
      { numRuns: 40 },
    );
  });

  it("is read back from .png and .webp as it was, from .jpg nearly", async () => {
    const image = movingFrame(24, 40, 3);
    for (const name of ["a.png", "a.webp"]) {
      await saveImage(join(dir, "new", name), image);
      expect(await loadImage(join(dir, "new", name))).toEqual(image);
    }
    await saveImage(join(dir, "a.jpg"), image);
    expect(meanDifference((await loadImage(join(dir, "a.jpg"))).data, image.data)).toBeLessThan(4);
  });

  it("is read from gray, 16-bit and transparent files as RGB", async () => {
    const half = sharp({
      create: { width: 2, height: 1, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } },
    });
    expect([...(await decodeImage(await half.png().toBuffer())).data]).toEqual([128, 0, 0, 128, 0, 0]);
    const grayscale = sharp(Uint8Array.of(7, 200), { raw: { width: 2, height: 1, channels: 1 } });
    expect([...(await decodeImage(await grayscale.png().toBuffer())).data]).toEqual([7, 7, 7, 200, 200, 200]);
    expect((await decodeImage(await grayscale.toColourspace("rgb16").png().toBuffer())).shape).toEqual([
      1, 2, 3,
    ]);
  });

  it("is refused by name when it is damaged, missing or of an unknown kind", async () => {
    const file = join(dir, "a.png");
    writeFileSync(file, encodePng(movingFrame(30, 30, 0)).subarray(0, 60));
    await expect(loadImage(file)).rejects.toMatchObject({
      code: "CORRUPT_FILE",
      message: expect.stringContaining(file),
    });
    await expect(loadImage(join(dir, "b.png"))).rejects.toMatchObject({ code: "IO_FAILED" });
    await expect(saveImage(join(dir, "a.pgn"), makeImage(1, 1))).rejects.toMatchObject({
      code: "UNKNOWN_NAME",
    });
    await expect(saveImage(join(dir, "c.png"), zeros("uint8", [2, 2]))).rejects.toMatchObject({
      code: "INVALID_SHAPE",
    });
    expect(readdirSync(dir)).toEqual(["a.png"]);
  });
});

describe("resizing", () => {
  it("averages when an image shrinks", () => {
    expect(channel(resizeImage(gray([[0, 100, 200, 200]]), { height: 1, width: 1 }))).toEqual([129]); // weights 5, 7, 7, 5
    // Pillow's triangle of radius 2 weighs a pair's own pixels 3, its neighbours' 1.
    expect(channel(resizeImage(gray([[0, 0, 0, 80, 80, 80]]), { height: 1, width: 3 }))).toEqual([0, 40, 80]);
    expect(channel(resizeImage(gray([[0, 0, 80, 80]]), { height: 1, width: 2 }))).toEqual([11, 69]);
  });

  it("interpolates when an image grows", () => {
    expect(channel(resizeImage(gray([[0, 100]]), { height: 1, width: 4 }))).toEqual([0, 25, 75, 100]);
    expect(channel(resizeImage(gray([[0], [100]]), { height: 4, width: 1 }))).toEqual([0, 25, 75, 100]);
  });

  it("keeps an image of its own size, and one of a single colour at every size", () => {
    fc.assert(
      fc.property(
        images,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (image, height, width) => {
          const [ownHeight, ownWidth] = image.shape;
          expect(resizeImage(image, { height: ownHeight, width: ownWidth })).toEqual(image);
          const plain = resizeImage(makeImage(ownHeight, ownWidth, [9, 80, 255]), { height, width });
          expect(plain).toEqual(makeImage(height, width, [9, 80, 255]));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("is close to libvips on a natural size", async () => {
    const image = movingFrame(120, 160, 4);
    const raw = sharp(image.data, { raw: { height: 120, width: 160, channels: 3 } });
    const reference = await raw.resize(64, 48, { kernel: "linear" }).raw().toBuffer();
    expect(meanDifference(resizeImage(image, { height: 48, width: 64 }).data, reference)).toBeLessThan(1.5);
  });

  it("enlarges pixels as squares", () => {
    expect(
      channel(
        enlargeImage(
          gray([
            [1, 2],
            [3, 4],
          ]),
          2,
        ),
      ),
    ).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  });
});

describe("drawing", () => {
  it("leaves out what lies outside of the image", () => {
    const source = gray([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const draw = (x: number, y: number): number[] => {
      const target = makeImage(2, 2);
      drawImage(target, source, { x, y });
      return channel(target);
    };
    expect(draw(0, 0)).toEqual([1, 2, 4, 5]);
    expect(draw(-2, 1)).toEqual([0, 0, 3, 0]);
    expect(draw(1, -1)).toEqual([0, 4, 0, 0]);
    expect(draw(5, 0)).toEqual([0, 0, 0, 0]);
    const target = makeImage(2, 3);
    fillRectangle(target, { x: 1, y: -4, width: 9, height: 5 }, [7, 0, 0]);
    expect(channel(target)).toEqual([0, 7, 7, 0, 0, 0]);
  });

  it("shares a frame of an episode with its video", () => {
    const frames = ndarray("uint8", [2, 1, 1, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect([...frameAt(frames, 1).data]).toEqual([4, 5, 6]);
    expect(frameAt(frames, 1).shape).toEqual([1, 1, 3]);
    expect(frameAt(frames, 1).data.buffer).toBe(frames.data.buffer);
  });

  it("writes each sign of the font unlike every other", () => {
    const signs = [
      ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)),
      ...Array.from("±×·°µ²≥≤→←↑↓–…σλΔ"),
    ];
    const pictures = signs.map((sign) => {
      const image = makeImage(8, 5);
      drawText(image, sign, { x: 0, y: 0 });
      return channel(image).join();
    });
    const twins = signs.filter((_, i) => pictures.indexOf(pictures[i]) !== i);
    expect(twins).toEqual(["–"]); // the dash and the hyphen are one glyph
  });

  it("writes a letter where it was told, dot by dot", () => {
    const image = makeImage(8, 11);
    drawText(image, "T.", { x: 0, y: 0 }, { color: [1, 0, 0] });
    const rows = Array.from({ length: 8 }, (_, y) =>
      channel(image)
        .slice(y * 11, y * 11 + 11)
        .join(""),
    );
    expect(rows.slice(0, 7).map((row) => row.slice(0, 5))).toEqual([
      "11111",
      "10101",
      "00100",
      "00100",
      "00100",
      "00100",
      "00100",
    ]);
    expect(rows.slice(5, 7).map((row) => row.slice(6))).toEqual(["00110", "00110"]);
  });

  it("takes as much room as it measures", () => {
    for (const [text, scale] of [
      ["gÅ|", 1],
      ["two\nlines", 3],
    ] as const) {
      const { height, width } = measureText(text, scale);
      const roomy = makeImage(height + 20, width + 20);
      const tight = makeImage(height, width);
      drawText(roomy, text, { x: 0, y: 0 }, { scale });
      drawText(tight, text, { x: 0, y: 0 }, { scale });
      const lit = (image: Image): number => image.data.filter((value) => value > 0).length;
      expect(lit(tight)).toBe(lit(roomy));
    }
  });
});

describe("a mosaic", () => {
  it("puts each image at its place, enlarged, with the gap between", () => {
    const mosaic = composeMosaic({
      cells: [
        [gray([[10]]), gray([[20]])],
        [undefined, gray([[40]])],
      ],
      scale: 2,
      gap: 1,
      background: [0, 0, 0],
    });
    expect(mosaic.shape).toEqual([13, 13, 3]);
    const inner = Array.from({ length: 5 }, (_, y) =>
      channel(mosaic).slice((y + 4) * 13 + 4, (y + 4) * 13 + 9),
    );
    expect(inner).toEqual([
      [10, 10, 0, 20, 20],
      [10, 10, 0, 20, 20],
      [0, 0, 0, 0, 0],
      [0, 0, 0, 40, 40],
      [0, 0, 0, 40, 40],
    ]);
    expect(channel(mosaic).reduce((sum, value) => sum + value, 0)).toBe(4 * 70);
  });

  it("makes room for its title and labels without covering an image", () => {
    const cells = [
      [gray([[7]]), gray([[7]])],
      [gray([[7]]), gray([[7]])],
    ];
    const bare = composeMosaic({ cells, scale: 12, background: [0, 0, 0] });
    const mosaic = composeMosaic({
      cells,
      scale: 12,
      background: [0, 0, 0],
      title: "a title that is wider than the images",
      columnLabels: ["a", "b"],
      rowLabels: ["real", "imagined\nt+1"],
    });
    const count = (image: Image): number => channel(image).filter((value) => value === 7).length;
    expect(count(mosaic)).toBe(count(bare));
    expect(mosaic.shape[1]).toBeGreaterThan(measureText("a title that is wider than the images").width);
  });

  it.each([
    { cells: [] },
    { cells: [[]] },
    { cells: [[undefined]], rowLabels: ["a", "b"] },
    { cells: [[undefined]], columnLabels: ["a", "b"] },
  ])("is refused with %o", (options) => {
    expect(() => composeMosaic(options)).toThrow(/INVALID_ARGUMENT/);
  });
});
