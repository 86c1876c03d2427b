/** @file The run's numbers: one line per log in metrics.jsonl and the same in TensorBoard, rewound to the checkpoint on resume. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import type { Appender } from "../../core/storage.ts";
import { openAppender, writeAtomicallySync } from "../../core/storage.ts";
import type { EventWriter, PngImage } from "./tensorboard.ts";
import { openEventFile } from "./tensorboard.ts";

/** A line of metrics.jsonl; `time` is seconds since 1970, the metrics stand beside it. */
export interface MetricLine {
  readonly stage: string;
  readonly step: number;
  readonly time: number;
  readonly [metric: string]: number | string;
}

/** Where stages put their numbers. */
export interface Metrics {
  /**
   * Append one line. Names are the field's usual ones (`loss`, `rollout/ep_rew_mean`); a name without a group is
   * shown under the stage's name in TensorBoard.
   * @param step non-negative integer that does not fall within a stage
   * @throws NOT_FINITE naming stage, step and metric; INVALID_ARGUMENT; STORAGE_FULL
   */
  log(stage: string, step: number, values: Readonly<Record<string, number>>): void;
  /** TensorBoard only. */
  text(stage: string, step: number, name: string, markdown: string): void;
  /** TensorBoard only. */
  image(stage: string, step: number, name: string, image: PngImage): void;
  /**
   * Drop what the stage logged after `step` (-1 drops all), so that going on from that checkpoint gives the curve of an
   * uninterrupted run. Call it once when a checkpoint is loaded. A stage that starts over without calling it loses
   * its old lines from the first step that it logs again.
   */
  rewind(stage: string, step: number): void;
  close(): void;
}

const reserved = new Set(["stage", "step", "time"]);

/** Lines of a metrics.jsonl; a half-written last line (a killed process) is left out. @throws CORRUPT_FILE */
export function readMetrics(path: string): MetricLine[] {
  return parseLines(path).map(({ line }) => line);
}

function parseLines(path: string): { text: string; line: MetricLine }[] {
  if (!existsSync(path)) return [];
  const texts = readFileSync(path, "utf8").split("\n");
  texts.pop();
  return texts.map((text, index) => {
    try {
      return { text, line: JSON.parse(text) as MetricLine };
    } catch (cause) {
      return fail({
        code: "CORRUPT_FILE",
        what: `${path}:${index + 1} is damaged`,
        expected: "one JSON object per line",
        got: text.slice(0, 80),
        fix: "remove that line; the others are kept",
        cause,
      });
    }
  });
}

function checkLine(stage: string, step: number, values: Readonly<Record<string, number>>): void {
  if (!Number.isSafeInteger(step) || step < 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `metrics of stage ${stage} have a bad step`,
      expected: "an integer >= 0",
      got: String(step),
    });
  }
  for (const [name, value] of Object.entries(values)) {
    if (reserved.has(name)) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `"${name}" cannot name a metric (stage ${stage})`,
        expected: "any name but stage, step, time",
        got: name,
      });
    }
    if (Number.isFinite(value)) continue;
    fail({
      code: "NOT_FINITE",
      what: `stage ${stage}, step ${step}: metric "${name}" is not a finite number`,
      expected: "a finite number",
      got: String(value),
      fix: "lower the learning rate or look at the data of this step; the last checkpoint is kept",
    });
  }
}

/** metrics.jsonl, kept consistent with what was already there. */
function openLines(path: string): {
  append(line: MetricLine): void;
  drop(stage: string, from: number): boolean;
  close(): void;
} {
  const kept = parseLines(path);
  const lastStep = new Map<string, number>();
  for (const { line } of kept) lastStep.set(line.stage, Math.max(line.step, lastStep.get(line.stage) ?? 0));
  const length = kept.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0);
  let file: Appender = openAppender(path, length);
  return {
    append(line) {
      file.append(`${JSON.stringify(line)}\n`);
      lastStep.set(line.stage, Math.max(line.step, lastStep.get(line.stage) ?? 0));
    },
    drop(stage, from) {
      if ((lastStep.get(stage) ?? -1) < from) return false;
      const rest = parseLines(path).filter(({ line }) => line.stage !== stage || line.step < from);
      file.close();
      const text = rest.map((entry) => `${entry.text}\n`).join("");
      writeAtomicallySync(path, text);
      file = openAppender(path, Buffer.byteLength(text));
      lastStep.set(
        stage,
        rest
          .filter(({ line }) => line.stage === stage)
          .reduce((max, { line }) => Math.max(max, line.step), -1),
      );
      return true;
    },
    close: () => file.close(),
  };
}

/** TensorBoard shows one run per stage, because each stage counts its own steps. */
function openBoard(folder: string): {
  writer(stage: string): EventWriter;
  purge(stage: string, from: number): void;
  close(): void;
} {
  const writers = new Map<string, EventWriter>();
  return {
    writer(stage) {
      const writer = writers.get(stage) ?? openEventFile(join(folder, stage));
      writers.set(stage, writer);
      return writer;
    },
    purge(stage, from) {
      writers.get(stage)?.close();
      writers.set(stage, openEventFile(join(folder, stage), from));
    },
    close() {
      for (const writer of writers.values()) writer.close();
      writers.clear();
    },
  };
}

function tagOf(stage: string, name: string): string {
  return name.includes("/") ? name : `${stage}/${name}`;
}

/** How metrics are taken. */
export interface MetricsOptions {
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
  /** Told of every line once it is on disk. */
  readonly onLine?: (line: MetricLine) => void;
}

/** Open `metrics.jsonl` and `tensorboard/` of a run folder. @throws CORRUPT_FILE, STORAGE_FULL */
export function openMetrics(folder: string, { now = Date.now, onLine }: MetricsOptions = {}): Metrics {
  const lines = openLines(join(folder, "metrics.jsonl"));
  const board = openBoard(join(folder, "tensorboard"));
  const begun = new Set<string>();
  const drop = (stage: string, from: number): void => {
    begun.add(stage);
    if (lines.drop(stage, from)) board.purge(stage, from);
  };
  return {
    log(stage, step, values) {
      checkLine(stage, step, values);
      if (!begun.has(stage)) drop(stage, step);
      const line = { stage, step, time: Math.round(now()) / 1000, ...values };
      lines.append(line);
      onLine?.(line);
      const writer = board.writer(stage);
      for (const [name, value] of Object.entries(values)) writer.scalar(tagOf(stage, name), step, value);
    },
    text: (stage, step, name, markdown) => board.writer(stage).text(tagOf(stage, name), step, markdown),
    image: (stage, step, name, image) => board.writer(stage).image(tagOf(stage, name), step, image),
    rewind: (stage, step) => drop(stage, step + 1),
    close() {
      lines.close();
      board.close();
    },
  };
}
