/** @file The doctor: what it finds wrong, and that everything missing comes with a reason and a fix. */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  checksText,
  deviceChecks,
  findProgram,
  machineChecks,
  machineFacts,
  toolChecks,
} from "../../src/cli/doctor.ts";
import { newFolder } from "../experiment/folders.ts";

const good = {
  nodeVersion: "20.1.0",
  cores: 2,
  cpu: "x",
  memoryBytes: 2 ** 33,
  freeMemoryBytes: 2 ** 32,
  freeDiskBytes: 2 ** 34,
};

describe("the doctor", () => {
  it("passes a machine that has enough, and this one's facts are real", () => {
    expect(machineChecks(good).every(({ level }) => level === "ok")).toBe(true);
    const facts = machineFacts(process.cwd());
    expect(facts.nodeVersion).toBe(process.versions.node);
    expect(facts.freeDiskBytes).toBeGreaterThan(0);
    expect(facts.memoryBytes).toBeGreaterThan(2 ** 28);
  });

  it("fails an old node, too little memory and a full disk, each with a fix", () => {
    const bad = machineChecks({
      ...good,
      nodeVersion: "18.20.0",
      memoryBytes: 2 ** 31,
      freeDiskBytes: 2 ** 20,
    });
    const failed = bad.filter(({ level }) => level === "failed");
    expect(failed.map(({ name }) => name)).toEqual(["node", "memory", "disk"]);
    for (const { fix } of failed) expect(fix).toBeTruthy();
  });

  it("needs the CPU device, and tells why the others do not work", () => {
    const checks = deviceChecks([
      { name: "cpu", available: false, reason: "no onnxruntime-node; install it", detail: "" },
      { name: "cuda", available: false, reason: "no driver", detail: "" },
      { name: "webgpu", available: true, reason: "", detail: "SwiftShader" },
    ]);
    expect(checks).toEqual([
      { name: "device cpu", level: "failed", detail: "no onnxruntime-node", fix: "install it" },
      { name: "device cuda", level: "absent", detail: "no driver", fix: undefined },
      { name: "device webgpu", level: "ok", detail: "SwiftShader" },
    ]);
  });

  it("finds programs that can be executed on the path, and says what goes without them", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "ffmpeg"), "");
    chmodSync(join(folder, "ffmpeg"), 0o755);
    expect(findProgram("ffmpeg", `/nowhere:${folder}`)).toBe(join(folder, "ffmpeg"));
    const [git, ffmpeg] = toolChecks(folder);
    expect([git.level, ffmpeg.level]).toEqual(["absent", "ok"]);
    expect(git.detail).toContain("commit");
    for (const { level, fix } of toolChecks("")) expect([level, fix !== undefined]).toEqual(["absent", true]);
  });

  it("prints one aligned line per finding with its fix beneath", () => {
    const text = checksText([
      { name: "node", level: "ok", detail: "v20" },
      { name: "ffmpeg", level: "absent", detail: "not there", fix: "install it" },
    ]);
    expect(text.split("\n")).toEqual([
      "ok      node    v20",
      "absent  ffmpeg  not there",
      "                fix: install it",
    ]);
  });
});
