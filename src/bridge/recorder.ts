/** @file The recorder: every bridged step to disk as it happens, every episode to the episode format; a kill loses nothing written. */

import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { saveEpisode } from "../data/episode-store.ts";
import { failStorage } from "../core/storage.ts";
import type { WireMap } from "./codec.ts";
import { assembleEpisode } from "./recorder/assemble.ts";
import type { BeginRecord, EndRecord, StepRecord } from "./recorder/assemble.ts";
import { openJournal, readJournal } from "./recorder/journal.ts";
import type { Journal } from "./recorder/journal.ts";

const extension = ".journal";

/** Where an episode begins. */
export interface EpisodeStart {
  /** Letters, digits, dots, dashes, underscores; made up when absent. */
  readonly id?: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Physical range of each action number. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** First observation: arrays without batch axis. */
  readonly observation: Readonly<Record<string, NdArray>>;
  readonly facts?: Readonly<Record<string, number>>;
}

/** One step as it is recorded. Names of facts that begin with `observation/` belong to the observation after the step. */
export type RecordedStep = Omit<StepRecord, "kind">;

/** One episode being recorded. */
export interface EpisodeRecording {
  readonly id: string;
  /** @throws STORAGE_FULL, IO_FAILED; what was recorded before stays */
  step(step: RecordedStep): void;
  /** Finish; resolves with the episode's file, or undefined when there was no step. */
  end(how: {
    terminated: boolean;
    truncated: boolean;
    meta?: Readonly<Record<string, unknown>>;
  }): Promise<string | undefined>;
}

/** A folder that episodes are recorded to. */
export interface Recorder {
  readonly dir: string;
  /** Files of the episodes that were left unfinished by processes that died, and are whole now. */
  readonly recovered: readonly string[];
  begin(start: EpisodeStart): EpisodeRecording;
  /** Resolves when every ended episode is on disk. */
  flush(): Promise<void>;
}

/**
 * Open a folder for recording, and first make episodes of the journals that dead processes left there.
 *
 * @throws STORAGE_FULL, IO_FAILED
 */
export async function openRecorder(dir: string): Promise<Recorder> {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    failStorage(dir, error);
  }
  const recovered = await recoverEpisodes(dir);
  const saving = new Set<Promise<unknown>>();
  return {
    dir,
    recovered,
    begin: (start) => beginEpisode(dir, start, saving),
    flush: async () => {
      await Promise.all(saving);
    },
  };
}

/** Turn the journals of processes that are gone into episodes; returns their files. @throws STORAGE_FULL, IO_FAILED */
export async function recoverEpisodes(dir: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of readdirSync(dir).filter((entry) => entry.endsWith(extension))) {
    const journal = join(dir, name);
    const records = readJournal(journal);
    const { pid } = (records[0] ?? {}) as { pid?: number };
    if (typeof pid === "number" && isAlive(pid)) continue;
    const saved = await save(dir, journal, records);
    if (saved !== undefined) files.push(saved);
  }
  return files;
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function save(dir: string, journal: string, records: readonly WireMap[]): Promise<string | undefined> {
  const episode = assembleEpisode(records);
  const file = episode === undefined ? undefined : await saveEpisode(dir, episode);
  rmSync(journal, { force: true });
  return file;
}

function beginEpisode(dir: string, start: EpisodeStart, saving: Set<Promise<unknown>>): EpisodeRecording {
  const id = start.id ?? randomUUID();
  if (!/^\w[\w.-]{0,119}$/.test(id))
    fail({ code: "INVALID_ARGUMENT", what: "an episode's id names its file", got: JSON.stringify(id) });
  const journal: Journal = openJournal(join(dir, `.${id}${extension}`));
  const { low, high, observation, meta = {}, facts = {} } = start;
  const recordedAt = new Date().toISOString();
  append(journal, {
    kind: "begin",
    id,
    pid: process.pid,
    meta: { recordedAt, ...meta },
    low,
    high,
    observation,
    facts,
  });
  return {
    id,
    step: (step) => append(journal, { kind: "step", ...step }),
    end({ terminated, truncated, meta: more = {} }) {
      append(journal, { kind: "end", terminated, truncated, meta: more });
      journal.close();
      const saved = save(dir, journal.file, readJournal(journal.file));
      const tracked = saved.finally(() => saving.delete(tracked));
      saving.add(tracked);
      return tracked;
    },
  };
}

function append(journal: Journal, record: BeginRecord | StepRecord | EndRecord): void {
  journal.append(record as unknown as WireMap);
}
