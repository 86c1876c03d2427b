/** @file What a result came from: versions, commit, machine and command line, gathered once per session of a run. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where and how one session (the first run, or a resume) was started. */
export interface Session {
  readonly startedAt: string;
  readonly finishedAt?: string;
  /** `done`, or the error's code. */
  readonly outcome?: string;
  readonly argv: readonly string[];
  readonly reverie: string;
  readonly node: string;
  readonly dependencies: Readonly<Record<string, string>>;
  /** Absent outside a git checkout. */
  readonly git?: { readonly commit: string; readonly dirty: boolean };
  readonly machine: {
    readonly platform: string;
    readonly arch: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
  };
  /** Thread settings from the environment that change speed, not results. */
  readonly threads: Readonly<Record<string, string>>;
}

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const threadVariables = ["UV_THREADPOOL_SIZE", "OMP_NUM_THREADS", "REVERIE_THREADS"];

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

function manifest(): Manifest {
  return JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as Manifest;
}

function git(...args: string[]): string | undefined {
  const result = spawnSync("git", ["-C", packageRoot, ...args], { encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

function gitState(): Session["git"] {
  // A package installed inside someone else's repository must not report that repository's commit.
  if (git("ls-files", "--error-unmatch", "package.json") === undefined) return undefined;
  const commit = git("rev-parse", "HEAD");
  return commit === undefined ? undefined : { commit, dirty: git("status", "--porcelain", "-uno") !== "" };
}

/** Describe this process as the session of a run that begins now. */
export function describeSession(argv: readonly string[] = process.argv.slice(2)): Session {
  const { version, dependencies } = manifest();
  const set = threadVariables.filter((name) => process.env[name] !== undefined);
  return {
    startedAt: new Date().toISOString(),
    argv,
    reverie: version,
    node: process.version,
    dependencies,
    git: gitState(),
    machine: {
      platform: process.platform,
      arch: process.arch,
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
    threads: Object.fromEntries(set.map((name) => [name, process.env[name] ?? ""])),
  };
}
