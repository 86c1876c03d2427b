/** @file Reading videos: frames in order, decoded by the program ffmpeg, a few at a time. */

import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { asError, fail } from "../core/errors.ts";
import { ndarray, stackRows } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Image } from "./image.ts";
import { corruptFile } from "./parquet.ts";

/** A video whose frames are read in rising order; going back begins the decoding anew. */
export interface VideoReader {
  /** Frames [start, start + count) as uint8 [count, H, W, 3]. @throws CORRUPT_FILE, NOT_SUPPORTED (no ffmpeg) */
  read(start: number, count: number): Promise<NdArray<"uint8">>;
  close(): Promise<void>;
}

type Decoder = ChildProcessByStdio<null, Readable, Readable>;

/** Bytes of a stream by count; its reading is what lets the writer go on. */
class ByteStream {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Exactly `count` bytes, or fewer at the end. */
  async take(count: number): Promise<Buffer> {
    const parts = [this.#rest];
    let length = this.#rest.length;
    while (length < count) {
      const { value, done } = await this.#chunks.next();
      if (done) break;
      parts.push(value);
      length += value.length;
    }
    const all = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    this.#rest = all.subarray(count);
    return all.subarray(0, count);
  }

  /** Up to and without the next line end; undefined at the end. */
  async line(): Promise<string | undefined> {
    const bytes: number[] = [];
    for (;;) {
      const byte = await this.take(1);
      if (byte.length === 0) return undefined;
      if (byte[0] === 0x0a) return String.fromCharCode(...bytes);
      bytes.push(byte[0]);
    }
  }
}

// Frames as PPM carry their size, so that nothing has to be asked beforehand.
const decoderArguments = (file: string): string[] => {
  const input = ["-v", "error", "-nostdin", "-threads", "1", "-i", file, "-map", "0:v:0"];
  return [...input, "-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "ppm", "-"];
};

/** One run of the decoder. */
class Decoding {
  readonly #child: Decoder;
  readonly #stream: ByteStream;
  readonly #file: string;
  #said = "";
  #failure: NodeJS.ErrnoException | undefined;
  position = 0;

  constructor(file: string) {
    this.#file = file;
    this.#child = spawn("ffmpeg", decoderArguments(file), { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.on("error", (error) => {
      this.#failure = error;
    });
    this.#child.stderr.on("data", (text: Buffer) => {
      this.#said = (this.#said + text.toString()).slice(-500);
    });
    this.#stream = new ByteStream(this.#child.stdout);
  }

  async next(): Promise<Image> {
    const kind = await this.#stream.line().catch((error: unknown) => {
      this.#failure = asError(error);
      return undefined;
    });
    if (kind === undefined) await this.#ended();
    const [width, height] = ((await this.#stream.line()) ?? "").split(" ").map(Number);
    await this.#stream.line();
    const bytes = await this.#stream.take(width * height * 3);
    if (kind !== "P6" || bytes.length !== width * height * 3) await this.#ended();
    this.position++;
    return ndarray("uint8", [height, width, 3], new Uint8Array(bytes));
  }

  async #ended(): Promise<never> {
    // The event that tells of a missing program comes after the end of its output.
    if (this.#failure === undefined && this.#child.exitCode === null)
      await Promise.race([once(this.#child, "close"), once(this.#child, "error")]).catch(asError);
    if (this.#failure?.code === "ENOENT") {
      return fail({
        code: "NOT_SUPPORTED",
        what: `reading the video ${this.#file} needs the program ffmpeg, and it is not there`,
        fix: "install it (Debian: apt-get install ffmpeg), or use data sets with pictures in their tables",
      });
    }
    return corruptFile(
      this.#file,
      this.#said.trim() || `a video of ${this.position} frames that ends too early`,
    );
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined)
      return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    this.#child.stdout.destroy();
    await closed;
  }
}

/** Open a video file of any kind that ffmpeg knows. Nothing is decoded before the first `read`. */
export function openVideoReader(file: string): VideoReader {
  let decoding: Decoding | undefined;
  return {
    async read(start, count) {
      if (decoding !== undefined && decoding.position > start) {
        await decoding.stop();
        decoding = undefined;
      }
      decoding ??= new Decoding(file);
      while (decoding.position < start) await decoding.next();
      const frames: Image[] = [];
      for (let i = 0; i < count; i++) frames.push(await decoding.next());
      return stackRows(frames);
    },
    async close() {
      await decoding?.stop();
      decoding = undefined;
    },
  };
}
