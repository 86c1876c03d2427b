/** @file One live process per run folder: a lock that outlives no kill, because it names its process by id and start time. */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { fail } from "../../core/errors.ts";
import { failStorage } from "../../core/storage.ts";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Kernel's start time of the process; tells a re-used id from the old process. Empty where unknown. */
  readonly startedAt: string;
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return owner.startedAt === "" || startOf(owner.pid) === owner.startedAt;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner>;
    return typeof owner.pid === "number" && typeof owner.host === "string" ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}

function busy(path: string, owner: Owner): never {
  return fail({
    code: "RUN_BUSY",
    what: `another process is working on this run`,
    expected: "one process per run folder",
    got: `process ${owner.pid} on ${owner.host} holds ${path}`,
    fix: "wait for it or stop it; if it is on another machine and gone, delete the lock file",
  });
}

/** Is a process at work on the run whose lock lies at `path`? One on another machine counts as alive. */
export function isLocked(path: string): boolean {
  const owner = readOwner(readText(path) ?? "");
  return owner !== undefined && isAlive(owner);
}

/** Take a dead process's lock away; false when someone else was quicker. */
function removeStale(path: string, stale: string): boolean {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return false;
  }
  if (readText(aside) === stale) {
    rmSync(aside, { force: true });
    return true;
  }
  try {
    linkSync(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
  return false;
}

/**
 * Take the lock file at `path` for this process.
 * @returns a function that gives it back
 * @throws RUN_BUSY while a live process (this one included) holds it
 */
export function takeLock(path: string): () => void {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), startedAt: startOf(process.pid) });
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      writeFileSync(path, mine, { flag: "wx" });
      return () => {
        if (readText(path) === mine) rmSync(path, { force: true });
      };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") failStorage(path, cause);
    }
    const text = readText(path);
    if (text === undefined) continue;
    const owner = readOwner(text);
    if (owner !== undefined && isAlive(owner)) busy(path, owner);
    removeStale(path, text);
  }
  return busy(path, { pid: 0, host: "an unknown machine", startedAt: "" });
}
