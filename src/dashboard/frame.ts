/** @file A moment of a world as one binary message: a JSON head and the pictures as PNG behind it. */

import { encodePng } from "../data/png.ts";
import type { Pixels } from "../experiment/play/play-screen.ts";

/** One picture and what is told about it. */
export interface FramePanel {
  readonly title: string;
  readonly frame: Pixels;
  /** Action components in [-1, 1]; empty where none was taken. */
  readonly action: readonly number[];
  readonly lines: readonly string[];
}

/** What a moment shows. */
export interface FrameMoment {
  readonly mode: "play" | "watch";
  readonly title: string;
  readonly actionNames: readonly string[];
  /** The real one first. */
  readonly panels: readonly FramePanel[];
}

/** Little-endian length of the head, the head as JSON with every picture's `bytes`, the pictures one after another. */
export function encodeMoment({ panels, ...rest }: FrameMoment): Uint8Array {
  const pictures = panels.map(({ frame: { height, width, data } }) =>
    encodePng({ dtype: "uint8", shape: [height, width, 3], data }),
  );
  const told = panels.map(({ frame: _frame, ...panel }, i) => ({ ...panel, bytes: pictures[i].length }));
  const head = Buffer.from(JSON.stringify({ ...rest, panels: told }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, ...pictures]);
}
