/** @file From a run, or a folder of checkpoints, to the report of its world model: what `reverie evaluate worldmodel` does. */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fail } from "../../core/errors.ts";
import { writeAtomicallySync } from "../../core/storage.ts";
import type { PolicyReturns } from "../policy-returns.ts";
import { openRun } from "../runner.ts";
import { tableText } from "../report/table.ts";
import { measureWorldModel, type WorldModelReport } from "./measure.ts";
import { openModelFolder, type OpenOptions } from "./model-folder.ts";
import { worldModelPage } from "./page.ts";
import { drawDreams } from "./pictures.ts";
import { encodeRecordings, folderRecordings, runRecordings } from "./recordings.ts";
import { reportTables } from "./tables.ts";

/** Settings of an evaluation. */
export interface WorldModelEvaluation {
  /** Folder of recorded episodes; a run's own validation episodes unless given. */
  readonly episodes?: string;
  /** HTML file; the JSON goes beside it. `worldmodel-report.html` in `path` unless given. */
  readonly report?: string;
  /** Repetition of a run; its first one unless given. */
  readonly seed?: number;
  /** Windows per measure; 128 unless given. */
  readonly windows?: number;
  /** Training steps of each inverse-dynamics probe; 400 unless given. */
  readonly probeSteps?: number;
  /** Passes per imagined frame, where the model lets one choose. */
  readonly samplingSteps?: OpenOptions["samplingSteps"];
  /** Starts per policy and split of the correlation study; 32 unless given, 0 leaves it out. */
  readonly starts?: number;
  readonly speedSeconds?: number;
  readonly output?: { write(text: string): unknown };
}

/** What to open, and where its recordings and policies are. */
interface Target {
  readonly model: string;
  readonly options: OpenOptions;
  readonly run?: Awaited<ReturnType<typeof openRun>>;
  readonly seed: number;
}

async function targetOf(path: string, seed?: number): Promise<Target> {
  if (!existsSync(join(path, "config.yaml"))) return { model: path, options: {}, seed: 0 };
  const run = await openRun(path);
  const { worldmodel } = run.config as { worldmodel?: { termination?: "mean" | "max" } };
  const used = seed ?? run.config.seed;
  return {
    model: join(path, `seed-${used}`, "worldmodel.safetensors"),
    options: { termination: worldmodel?.termination },
    run,
    seed: used,
  };
}

async function returnsOf(
  { run, seed }: Target,
  starts: number,
  log: (line: string) => void,
): Promise<readonly PolicyReturns[] | undefined> {
  if (run === undefined || starts === 0) return undefined;
  if (!existsSync(join(run.path, `seed-${seed}`, "policies"))) return undefined;
  const splits = ["validation", "test"] as const;
  const options = { seed, starts, horizons: [15, 30, 50], splits, log };
  return run.experiment.policyReturns?.(run.config, run.path, options);
}

/**
 * Measure a world model and write its report: `.html` and `.json`.
 * @param path folder of a run, folder of checkpoints, or a checkpoint with its tokenizer beside it
 * @throws INVALID_ARGUMENT without recordings, IO_FAILED, CHECKPOINT_MISMATCH, INVALID_SHAPE
 */
export async function evaluateWorldModel(
  path: string,
  settings: WorldModelEvaluation = {},
): Promise<{ readonly report: WorldModelReport; readonly html: string; readonly json: string }> {
  const {
    output = process.stdout,
    windows = 128,
    probeSteps = 400,
    speedSeconds = 3,
    starts = 32,
  } = settings;
  const log = (line: string): void => void output.write(`${line}\n`);
  const target = await targetOf(resolve(path), settings.seed);
  if (target.run === undefined && settings.episodes === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${path} is no run: it has no recordings of its own`,
      expected: "a folder of episodes to measure on",
      fix: "add --episodes FOLDER",
    });
  }
  const { samplingSteps } = settings;
  const opened = openModelFolder(target.model, { ...target.options, samplingSteps });
  log(`${opened.kind} ${opened.file}`);
  const recordings =
    settings.episodes === undefined
      ? await runRecordings(resolve(path), target.seed)
      : await folderRecordings(resolve(settings.episodes));
  const replay = await encodeRecordings(opened, recordings.judged);
  const options = { windows, probeSteps, speedSeconds, log };
  const measured = await measureWorldModel({ opened, recordings, replay, options });
  const returns = await returnsOf(target, starts, log);
  const report = returns === undefined ? measured : { ...measured, returns };
  const frames = recordings.judged.map((episode) => episode.frames);
  const picture = await drawDreams(opened.model, replay, frames);
  const files = writeReport(resolve(path), settings.report, report, picture);
  for (const table of reportTables(report)) log(`\n${tableText(table)}`);
  log(`\nreport: ${files.html}`);
  return { report, ...files };
}

function writeReport(
  path: string,
  wanted: string | undefined,
  report: WorldModelReport,
  picture: Uint8Array,
): { html: string; json: string } {
  const folder = path.endsWith(".safetensors") ? resolve(path, "..") : path;
  const html = resolve(wanted ?? join(folder, "worldmodel-report.html"));
  const json = html.replace(/(\.html?)?$/, ".json");
  writeAtomicallySync(html, worldModelPage("World model report", report, picture));
  writeAtomicallySync(json, `${JSON.stringify(report, null, 1)}\n`);
  return { html, json };
}
