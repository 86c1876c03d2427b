/** @file `reverie doctor`: what this machine can do for Reverie, and for each thing missing, why and what to do. */

import { accessSync, constants, statfsSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import type { DeviceReport } from "../engine/probe.ts";
import { fail } from "../core/errors.ts";
import { memory } from "../experiment/progress.ts";

/** One finding. `absent` is something optional. */
export interface Check {
  readonly name: string;
  readonly level: "ok" | "absent" | "failed";
  readonly detail: string;
  readonly fix?: string;
}

/** What the machine is; injectable for tests. */
export interface MachineFacts {
  readonly nodeVersion: string;
  readonly cores: number;
  readonly cpu: string;
  /** What the process may use: the container's limit where there is one. */
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly freeDiskBytes: number;
}

const gibibyte = 2 ** 30;

/** Facts of this machine; `folder` is where runs will be written. */
export function machineFacts(folder: string): MachineFacts {
  const disk = statfsSync(folder);
  const limit = process.constrainedMemory();
  return {
    nodeVersion: process.versions.node,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memoryBytes: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
    freeMemoryBytes: freemem(),
    freeDiskBytes: disk.bavail * disk.bsize,
  };
}

/** Node, cores, memory and disk against what the shipped experiments need. */
export function machineChecks(facts: MachineFacts): Check[] {
  const major = Number(facts.nodeVersion.split(".")[0]);
  const check = (name: string, good: boolean, detail: string, fix: string): Check =>
    good ? { name, level: "ok", detail } : { name, level: "failed", detail, fix };
  const memoryText = `${memory(facts.memoryBytes)}, ${memory(facts.freeMemoryBytes)} free`;
  return [
    check("node", major >= 20, `v${facts.nodeVersion}`, "install Node 20 or later"),
    { name: "cores", level: "ok", detail: `${facts.cores} (${facts.cpu})` },
    check("memory", facts.memoryBytes >= 4 * gibibyte, memoryText, "the shipped experiments use up to 4 GiB"),
    check(
      "disk",
      facts.freeDiskBytes >= gibibyte,
      `${memory(facts.freeDiskBytes)} free here`,
      "free at least 1 GiB",
    ),
  ];
}

/** Full path of a program, or undefined. */
export function findProgram(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

interface Tool {
  readonly programs: readonly string[];
  readonly without: string;
  readonly fix: string;
}

const tools: readonly Tool[] = [
  {
    programs: ["git"],
    without: "runs cannot record their commit",
    fix: "apt-get install git",
  },
  {
    programs: ["ffmpeg"],
    without: "videos are written (by the built-in H.264 encoder) and none can be read",
    fix: "apt-get install ffmpeg",
  },
  {
    programs: ["tensorboard"],
    without: "the event files in each run's tensorboard/ are written all the same; report.html needs nothing",
    fix: "pip install tensorboard",
  },
];

/** Optional programs, and what goes without them. */
export function toolChecks(path?: string): Check[] {
  return tools.map(({ programs, without, fix }): Check => {
    const found = programs.map((name) => findProgram(name, path)).find((file) => file !== undefined);
    const [name] = programs;
    if (found !== undefined) return { name, level: "ok", detail: found };
    return { name, level: "absent", detail: `not on the PATH: ${without}`, fix };
  });
}

/** Devices as checks: the CPU has to work, the others may. A reason ends in what to do about it. */
export function deviceChecks(
  reports: readonly Pick<DeviceReport, "name" | "available" | "reason" | "detail">[],
): Check[] {
  return reports.map((report): Check => {
    const name = `device ${report.name}`;
    if (report.available) return { name, level: "ok", detail: report.detail };
    const [why, ...remedy] = report.reason.split("; ");
    const fix = remedy.length === 0 ? undefined : remedy.join("; ");
    return { name, level: report.name === "cpu" ? "failed" : "absent", detail: why, fix };
  });
}

/** The findings as aligned text. */
export function checksText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const signs = { ok: "ok     ", absent: "absent ", failed: "FAILED " };
  return checks
    .map(({ name, level, detail, fix }) => {
      const line = `${signs[level]} ${name.padEnd(width)}  ${detail}`;
      return fix === undefined ? line : `${line}\n${" ".repeat(width + 10)}fix: ${fix}`;
    })
    .join("\n");
}

/** Print what this machine can do. @throws NOT_SUPPORTED when something that Reverie needs is missing */
export async function doctor(): Promise<void> {
  const { probeDevices } = await import("../engine/probe.ts");
  const checks = [
    ...machineChecks(machineFacts(process.cwd())),
    ...deviceChecks(await probeDevices()),
    ...toolChecks(),
  ];
  process.stdout.write(`${checksText(checks)}\n`);
  const failed = checks.filter(({ level }) => level === "failed");
  if (failed.length === 0) return;
  fail({
    code: "NOT_SUPPORTED",
    what: `this machine lacks what Reverie needs: ${failed.map(({ name }) => name).join(", ")}`,
    fix: "see the lines marked FAILED above",
  });
}
