/** @file A run's folder: everything needed to re-run, resume and judge the run, written so that a kill leaves it readable. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { fail } from "../../core/errors.ts";
import type { RunFields } from "../config/config-schema.ts";
import { failStorage, writeAtomicallySync } from "../../core/storage.ts";
import type { Session } from "./provenance.ts";
import { describeSession } from "./provenance.ts";
import { takeLock } from "./run-lock.ts";
import type { ResultTable } from "../report/table.ts";

/** What is known of one stage; `seconds` adds up over resumes. */
export interface StageRecord {
  readonly status: "running" | "done";
  readonly seconds: number;
  readonly peakMemoryBytes: number;
  /** How far a running stage has come; written every few seconds, for those who watch. */
  readonly progress?: StageProgress;
}

/** A running stage as its line in the terminal shows it. */
export interface StageProgress {
  /** In [0, 1]. */
  readonly fraction: number;
  /** Left of the stage, and of the run; absent until there is something to judge by. */
  readonly etaSeconds?: number;
  readonly totalEtaSeconds?: number;
  readonly note: string;
}

/** `state.json`: how far the run has come. */
export interface RunState {
  readonly version: 1;
  /** Hash of `config.yaml`; a run is not continued under another config. */
  readonly configSha256: string;
  readonly stages: Readonly<Record<string, StageRecord>>;
  /** Names of all stages in their order, the ones to come included. */
  readonly plan?: readonly string[];
}

/** A picture or video of the report. */
export interface Exhibit {
  readonly file: string;
  readonly caption: string;
}

/** An open run folder; this process alone works on it until `close`. */
export interface RunDir {
  /** Absolute. */
  readonly path: string;
  /** Absolute path of a file inside; its folder is made. For writers of their own. */
  file(...parts: string[]): string;
  /** Atomically write a file inside, as in `checkpoints/policy.json`. */
  write(relativePath: string, data: string | Uint8Array): void;
  /** `tables/<id>.json`; ids sort the tables of the report. */
  writeTable(id: string, table: ResultTable): void;
  /** `pictures/<file>` (PNG) with its caption for the report. Same file again replaces it. */
  addPicture(file: string, png: Uint8Array, caption: string): void;
  /** `videos/<file>` (mp4 or webp) with its caption for the report. */
  addVideo(file: string, bytes: Uint8Array, caption: string): void;
  readonly state: RunState;
  writeStage(name: string, record: StageRecord): void;
  /** Note which stages the run goes through. */
  writePlan(names: readonly string[]): void;
  /** Note the session's end in the provenance and give the folder back. */
  close(outcome: string): void;
}

/** `runs/<name>-<seed>-<timestamp>` */
export function defaultRunPath(config: RunFields, now: Date = new Date()): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  return join("runs", `${config.name}-${config.seed}-${stamp}`);
}

/**
 * Make a new run folder holding the complete `config`.
 * @param path folder that does not exist yet or is empty; `defaultRunPath(config)` unless given
 * @throws INVALID_ARGUMENT when the folder holds something already; RUN_BUSY; STORAGE_FULL
 */
export function createRunDir(
  config: RunFields,
  path: string = defaultRunPath(config),
  argv?: readonly string[],
): RunDir {
  const folder = resolve(path);
  // A process killed while it made the folder leaves a lock and nothing else that counts.
  const existing = (existsSync(folder) ? readdirSync(folder) : []).filter(
    (name) => !/^run\.lock|\.tmp$/.test(name),
  );
  if (existing.length > 0) {
    const isRun = existing.includes("config.yaml");
    fail({
      code: "INVALID_ARGUMENT",
      what: `${path} is not empty`,
      expected: "a folder that is new or empty",
      got: isRun ? "the folder of a run" : existing.slice(0, 5).join(", "),
      fix: isRun
        ? `continue it with \`reverie resume ${path}\`, or choose another folder`
        : "choose another folder",
    });
  }
  return open(
    folder,
    () => {
      const header = "# The complete, resolved config of this run: `reverie run` on this file repeats it.\n";
      writeAtomicallySync(join(folder, "config.yaml"), header + stringify(config));
    },
    argv,
  );
}

/** Open an existing run folder to go on with it. @throws INVALID_ARGUMENT, CORRUPT_FILE, RUN_BUSY */
export function openRunDir(path: string, argv?: readonly string[]): RunDir {
  const folder = resolve(path);
  requireRun(folder, path);
  return open(folder, () => undefined, argv);
}

/** @throws INVALID_ARGUMENT when `path` is not a run's folder */
export function requireRun(folder: string, path: string = folder): void {
  if (existsSync(join(folder, "config.yaml"))) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `${path} is not the folder of a run`,
    expected: "a folder with config.yaml",
    got: existsSync(folder) ? "no config.yaml there" : "no such folder",
    fix: "name the folder that `reverie run` printed",
  });
}

function open(folder: string, prepare: () => void, argv?: readonly string[]): RunDir {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    failStorage(folder, cause);
  }
  const unlock = takeLock(join(folder, "run.lock"));
  try {
    prepare();
    const session = describeSession(argv);
    const sessions = readSessions(folder);
    const state = readState(folder);
    writeSessions(folder, [...sessions, session]);
    return makeRunDir(folder, state, (outcome) => {
      const finished = { ...session, finishedAt: new Date().toISOString(), outcome };
      try {
        writeSessions(folder, [...sessions, finished]);
      } finally {
        unlock();
      }
    });
  } catch (error) {
    unlock();
    throw error;
  }
}

function makeRunDir(folder: string, initial: RunState, close: (outcome: string) => void): RunDir {
  let state = initial;
  const file = (...parts: string[]): string => {
    const path = join(folder, ...parts);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  };
  const write = (relativePath: string, data: string | Uint8Array): void =>
    writeAtomicallySync(join(folder, relativePath), data);
  const exhibit = (kind: string, entry: Exhibit, bytes: Uint8Array): void => {
    write(join(kind, entry.file), bytes);
    const others = readExhibits(folder, kind).filter((e) => e.file !== entry.file);
    write(join(kind, "index.json"), json([...others, entry]));
  };
  return {
    path: folder,
    file,
    write,
    writeTable: (id, table) => write(join("tables", `${id}.json`), json(table)),
    addPicture: (name, png, caption) => exhibit("pictures", { file: name, caption }, png),
    addVideo: (name, bytes, caption) => exhibit("videos", { file: name, caption }, bytes),
    get state() {
      return state;
    },
    writeStage(name, record) {
      state = { ...state, stages: { ...state.stages, [name]: record } };
      write("state.json", json(state));
    },
    writePlan(plan) {
      state = { ...state, plan };
      write("state.json", json(state));
    },
    close,
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Read a JSON file of a run. @throws CORRUPT_FILE naming it; undefined when there is none */
export function readJson(path: string, fix: string): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    return fail({
      code: "CORRUPT_FILE",
      what: `${path} is damaged`,
      expected: "JSON as this program writes it",
      got: (cause as Error).message,
      fix,
      cause,
    });
  }
}

/** The exhibits of a kind (`pictures`, `videos`) in the order they were added. */
export function readExhibits(folder: string, kind: string): Exhibit[] {
  const path = join(folder, kind, "index.json");
  return (readJson(path, `delete ${path}; the files beside it are kept`) as Exhibit[] | undefined) ?? [];
}

/** The run's result tables in the order of their files' names. */
export function readTables(folder: string): ResultTable[] {
  const tables = join(folder, "tables");
  const names = existsSync(tables) ? readdirSync(tables).filter((name) => name.endsWith(".json")) : [];
  return names.sort().map((name) => readJson(join(tables, name), "evaluate the run again") as ResultTable);
}

/** The sessions that worked on the run, oldest first. */
export function readSessions(folder: string): Session[] {
  const path = join(folder, "provenance.json");
  const data = readJson(path, `delete ${basename(path)}; only the record of earlier sessions is lost`);
  return (data as { sessions: Session[] } | undefined)?.sessions ?? [];
}

function writeSessions(folder: string, sessions: readonly Session[]): void {
  writeAtomicallySync(join(folder, "provenance.json"), json({ sessions }));
}

/** How far the run in `folder` has come. @throws CORRUPT_FILE; INVALID_CONFIG when its config was edited since */
export function readState(folder: string): RunState {
  const configSha256 = createHash("sha256")
    .update(readFileSync(join(folder, "config.yaml")))
    .digest("hex");
  const path = join(folder, "state.json");
  const fix = `delete ${basename(path)} to go through the stages again (checkpoints and episodes are kept)`;
  const state = readJson(path, fix) as RunState | undefined;
  if (state === undefined) return { version: 1, configSha256, stages: {} };
  if (state.version !== 1 || typeof state.stages !== "object" || state.stages === null) {
    fail({
      code: "CORRUPT_FILE",
      what: `${path} is not the state of a run`,
      expected: "version 1 with stages",
      fix,
    });
  }
  if (state.configSha256 !== configSha256) {
    fail({
      code: "INVALID_CONFIG",
      what: `${join(folder, "config.yaml")} was changed after the run began`,
      expected: "the config that the finished stages ran with",
      fix: "put it back, or start a new run from it with `reverie run`",
    });
  }
  return state;
}
