/** @file A run folder and worlds with known contents, for the dashboard's tests. */

import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeMoment } from "../../src/dashboard/frame.ts";
import type { OpenWorld, Viewer, WorldMode } from "../../src/dashboard/worlds.ts";
import { newFolder } from "../experiment/folders.ts";

/** A run's folder: config, state with one done, one running and one waiting stage, and some metrics. */
export function runFolder(config: Readonly<Record<string, unknown>> = {}): string {
  const folder = join(newFolder(), "run");
  mkdirSync(folder);
  const all = { experiment: "fake", name: "tiny", seed: 0, train: { rate: 0.1 }, ...config };
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(all));
  const state = {
    version: 1,
    plan: ["collect", "train", "judge"],
    stages: {
      collect: { status: "done", seconds: 65, peakMemoryBytes: 2 ** 30 },
      train: {
        status: "running",
        seconds: 5,
        peakMemoryBytes: 2 ** 30,
        progress: { fraction: 0.42, etaSeconds: 30, totalEtaSeconds: 90, note: "loss 0.5" },
      },
    },
  };
  writeFileSync(join(folder, "state.json"), JSON.stringify(state));
  logLines(folder, [0, 1, 2]);
  return folder;
}

/** Append lines of metrics. */
export function logLines(folder: string, steps: readonly number[]): void {
  const lines = steps.map((step) =>
    JSON.stringify({ stage: "train", step, time: 1, loss: 1 / (step + 1), "real/return": step }),
  );
  appendFileSync(join(folder, "metrics.jsonl"), `${lines.join("\n")}\n`);
}

/** Mark the run as being worked on by this process. */
export function lock(folder: string): void {
  const owner = { pid: process.pid, host: "elsewhere", startedAt: "" };
  writeFileSync(join(folder, "run.lock"), JSON.stringify(owner));
}

/** Worlds of one colour per panel, whose frames the test sends. */
export interface FakeWorlds {
  readonly open: OpenWorld;
  readonly opened: { mode: WorldMode; run: string; viewer: Viewer; closed: boolean }[];
  readonly keys: string[];
  /** Send a moment to the newest world's viewers. */
  show(red: number): void;
}

function moment(mode: WorldMode, red: number): Uint8Array {
  const data = new Uint8Array(4 * 4 * 3);
  for (let i = 0; i < data.length; i += 3) data[i] = red;
  const panel = { frame: { height: 4, width: 4, data }, action: [-0.5, 1], lines: [`red ${red}`] };
  const panels = ["real", "dream 1", "dream 2"].map((title) => ({ title, ...panel }));
  return encodeMoment({ mode, title: "a fake world", actionNames: ["steer", "pedal"], panels });
}

/** Make worlds that never step by themselves. */
export function fakeWorlds(): FakeWorlds {
  const opened: FakeWorlds["opened"] = [];
  const keys: string[] = [];
  return {
    opened,
    keys,
    open(mode, run, viewer) {
      const one = { mode, run, viewer, closed: false };
      opened.push(one);
      return {
        key: (name, down) => void keys.push(`${name} ${down ? "down" : "up"}`),
        close: () => {
          one.closed = true;
        },
      };
    },
    show(red) {
      const last = opened[opened.length - 1];
      last.viewer.frame(moment(last.mode, red));
    },
  };
}
