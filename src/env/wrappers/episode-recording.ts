/** @file One episode on its way to disk: frames into a video, the log into a JSON file beside it. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../../core/storage.ts";
import type { Video } from "../../data/video.ts";
import { openVideo } from "../../data/video.ts";
import type { Frame } from "../env.ts";
import type { EpisodeLog } from "./episode-log.ts";
import { toPlainJson } from "./episode-log.ts";

/** Where and how a recording is written. */
export interface RecordingTarget {
  readonly folder: string;
  /** File name without extension. */
  readonly name: string;
  /** ".mp4", ".gif" or ".webp" */
  readonly extension: string;
  readonly fps: number;
}

/** A video that takes frames at once and writes them in order behind; await `flushed` to keep pace with it. */
export class EpisodeRecording {
  readonly #target: RecordingTarget;
  #video: Video | undefined;
  #work: Promise<void>;
  frames = 0;

  constructor(target: RecordingTarget) {
    this.#target = target;
    this.#work = mkdir(target.folder, { recursive: true }).then(() => undefined);
    // Failures are reported by `flushed`, which the owner awaits.
    this.#work.catch(() => undefined);
  }

  get path(): string {
    return join(this.#target.folder, this.#target.name + this.#target.extension);
  }

  /** Everything given so far is written. */
  get flushed(): Promise<void> {
    return this.#work;
  }

  #after(work: () => Promise<void>): void {
    this.#work = this.#work.then(work);
    this.#work.catch(() => undefined);
  }

  /** Take a frame, uint8 [H, W, 3]; it must not be changed any more. */
  add(frame: Frame): void {
    this.frames += 1;
    this.#after(async () => {
      const [height, width] = frame.shape;
      this.#video ??= await openVideo(this.path, { width, height, fps: this.#target.fps });
      await this.#video.write(frame);
    });
  }

  /** Finish the video and write the log beside it. */
  finish(log: EpisodeLog): void {
    const file = join(this.#target.folder, `${this.#target.name}.json`);
    const text = `${JSON.stringify(toPlainJson(log))}\n`;
    this.#after(async () => {
      await this.#video?.close();
      await writeAtomically(file, [new TextEncoder().encode(text)]);
    });
  }

  /** Drop everything. */
  discard(): void {
    this.#after(async () => this.#video?.discard());
  }
}
