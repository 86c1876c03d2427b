/** @file The command line: what it says, how it ends, and that asking for help loads nothing heavy. */

import { existsSync, readFileSync } from "node:fs";
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
    for (const command of ["run", "resume", "evaluate", "play", "doctor"])
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

  it("names the nearest environment when asked to play an unknown one", async () => {
    const { code, err } = await call("play", "CartPol-v1");
    expect(code).toBe(2);
    expect(err).toContain("CartPole-v1");
  });
});
