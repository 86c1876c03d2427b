/** @file The command line: what it says, how it ends, and that asking for help loads nothing heavy. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/program.ts";
import { folderOf } from "../experiment/folders.ts";

const source = resolve(dirname(fileURLToPath(import.meta.url)), "../../src");

async function call(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += text.toString()), true));
  const code = await main(args);
  vi.restoreAllMocks();
  return { code, out, err };
}

afterEach(() => vi.restoreAllMocks());

describe("reverie", () => {
  it("lists its commands", async () => {
    const { code, out } = await call("--help");
    expect(code).toBe(0);
    for (const command of [
      "run",
      "resume",
      "evaluate",
      "compare",
      "reproduce",
      "config",
      "dashboard",
      "play",
      "doctor",
    ])
      expect(out).toContain(`  ${command} `);
  });

  it("asked for help, loads commander and the errors alone", () => {
    const packages = new Set<string>();
    const seen = new Set<string>();
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(file, "utf8");
      for (const [, specifier] of text.matchAll(
        /^import (?!type)[^;]*?from "([^"]+)";|^import "([^"]+)";/gm,
      )) {
        if (specifier.startsWith(".")) walk(resolve(dirname(file), specifier));
        else packages.add(specifier);
      }
    };
    walk(join(source, "cli.ts"));
    expect([...packages]).toEqual(["commander"]);
    expect([...seen].map((file) => file.slice(source.length + 1)).sort()).toEqual([
      "cli.ts",
      "cli/program.ts",
      "core/errors.ts",
    ]);
  });

  it("ends with 2 and a suggestion on a misspelt command or option", async () => {
    const command = await call("rnu", "x.yaml");
    expect([command.code, command.err]).toEqual([2, expect.stringContaining("Did you mean run?")]);
    const option = await call("run", "x.yaml", "--sead", "1");
    expect([option.code, option.err]).toEqual([2, expect.stringContaining("--seed")]);
    expect((await call("run", "x.yaml", "--seed", "-1")).code).toBe(2);
  });

  it("ends with 2 and no stack on a wrong config, with a stack under --debug", async () => {
    const yaml = join(folderOf({ "a.yaml": "experiment: drivng\n" }), "a.yaml");
    const plain = await call("run", yaml);
    expect(plain.code).toBe(2);
    expect(plain.err).toContain('a.yaml:1:1: unknown experiment "drivng"');
    expect(plain.err).toContain('did you mean "driving"?');
    expect(plain.err).not.toMatch(/^\s+at /m);
    expect((await call("--debug", "run", yaml)).err).toMatch(/^\s+at /m);
  });

  it("ends with 1 on a file that cannot be read, with 2 on a folder that is no run", async () => {
    expect((await call("run", "/nowhere/a.yaml")).code).toBe(1);
    const resume = await call("resume", "/nowhere");
    expect([resume.code, resume.err]).toEqual([2, expect.stringContaining("not the folder of a run")]);
    expect(existsSync("/nowhere")).toBe(false);
  });

  it("checks a config file and every run of its sweep without running anything", async () => {
    const text = "experiment: driving\nsweep: { grid: { imagination.horizon: [5, 15] }, seeds: [0, 1] }\n";
    const yaml = join(folderOf({ "a.yaml": text }), "a.yaml");
    const { code, out } = await call("config", "check", yaml, "judge.episodes=4");
    expect(code).toBe(0);
    expect(out).toContain('a sound config of experiment "driving", a sweep of 4 runs');
    expect(out).toContain("2-horizon=15-seed=0: imagination.horizon=15 seed=0");
    expect(readdirSync(dirname(yaml))).toEqual(["a.yaml"]);
    const wrong = await call("config", "check", yaml, "imagination.horizn=3");
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringContaining('did you mean "imagination.horizon"?'),
    ]);
  });

  it("explains a field of an experiment, and prints the schema of its files", async () => {
    const { out } = await call("config", "explain", "driving", "imagination.horizon");
    expect(out).toBe(
      "imagination.horizon\n    Imagined steps per rollout; the learner bootstraps there. integer >= 1, default 15\n",
    );
    expect((await call("config", "explain", "drivng")).err).toContain('"driving"');
    const schema = JSON.parse((await call("config", "schema", "driving")).out) as { properties: object };
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(["extends", "sweep", "imagination"]),
    );
  });

  it("refuses to show the dashboard where others could look without a token", async () => {
    const { code, err } = await call("dashboard", "--host", "0.0.0.0", "--port", "0");
    expect([code, err]).toEqual([1, expect.stringContaining("REVERIE_DASHBOARD_TOKEN")]);
  });

  it("names the nearest environment when asked to play an unknown one", async () => {
    const { code, err } = await call("play", "CartPol-v1");
    expect(code).toBe(2);
    expect(err).toContain("CartPole-v1");
  });
});
