/** @file The house plan holds: layers, doors, cycles, sizes and names; and the checker finds each planted fault. */

import { readFileSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkArchitecture } from "./architecture/rules.ts";

const top = fileURLToPath(new URL("..", import.meta.url));

function filesUnder(folder: string): [string, string][] {
  return readdirSync(join(top, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[cm]?[jt]s$/.test(name))
    .map((name) => [`${folder}/${name.split(sep).join("/")}`, readFileSync(join(top, folder, name), "utf8")]);
}

const header = "/** @file A planted file. */\n";

/** A small tree without faults, and `changes` on top of it; their header is added. */
function check(changes: Readonly<Record<string, string>>): string[] {
  const sound = {
    "src/core/errors.ts": "export const a = 1;\n",
    "src/env/env.ts": 'export type { a } from "../core/errors.ts";\n',
    "src/env/vector.ts": "export const v = 1;\n",
    "src/sim/car.ts": 'import type { a } from "../env/env.ts";\nexport type B = typeof a;\n',
  };
  const tree = Object.entries({ ...sound, ...changes }).map(([path, text]) => [path, header + text] as const);
  return checkArchitecture(new Map(tree));
}

const lines = (count: number, text: string): string => `${text}\n`.repeat(count);

describe("the tree", () => {
  it("follows the house plan", () => {
    const folders = readdirSync(top).filter((name) => ["src", "test", "bench", "examples"].includes(name));
    expect(checkArchitecture(new Map(folders.flatMap(filesUnder)))).toEqual([]);
  });
});

describe("the checker", () => {
  it("finds nothing in a sound tree", () => {
    expect(check({})).toEqual([]);
  });

  it.each([
    [
      "a lower layer importing a higher one",
      { "src/core/errors.ts": 'import { v } from "../env/vector.ts";' },
      "src/core may not import src/env/vector.ts",
    ],
    [
      "a type imported against the layers",
      { "src/core/errors.ts": 'import type { v } from "../env/vector.ts";' },
      "src/core may not import",
    ],
    [
      "a re-export against the layers",
      { "src/core/errors.ts": 'export * from "../env/vector.ts";' },
      "src/core may not import",
    ],
    [
      "a lazy import against the layers",
      { "src/core/errors.ts": 'export const f = () => import("../env/vector.ts");' },
      "src/core may not import",
    ],
    [
      "an import type against the layers",
      { "src/core/errors.ts": 'export type V = import("../env/vector.ts").v;' },
      "src/core may not import",
    ],
    [
      "more than the contract of a folder",
      { "src/sim/car.ts": 'import { v } from "../env/vector.ts";' },
      "src/sim may not import src/env/vector.ts",
    ],
    [
      "a layer reaching for the public API",
      { "src/sim/car.ts": 'import { v } from "../index.ts";', "src/index.ts": "export const v = 1;" },
      "src/sim may not import src/index.ts",
    ],
    [
      "src reaching for a test",
      { "src/sim/car.ts": 'import { v } from "../../test/v.ts";', "test/v.ts": "export const v = 1;" },
      "src/sim may not import test/v.ts",
    ],
    [
      "experiment importing everything outside its registry",
      { "src/experiment/report.ts": 'import { v } from "../env/vector.ts";' },
      "src/experiment may not import",
    ],
    [
      "a folder that is not in the plan",
      { "src/magic/wand.ts": "export const w = 1;" },
      "src/magic is not in the house plan",
    ],
    [
      "an import of nothing",
      { "src/sim/car.ts": 'import { v } from "./wheel.ts";' },
      "no such file: src/sim/wheel.ts",
    ],
    [
      "tfjs outside of its door",
      { "src/nn/layers.ts": 'import * as tf from "@tensorflow/tfjs-core";' },
      "package @tensorflow/ may only be imported in engine",
    ],
    [
      "onnxruntime outside of its door",
      {
        "src/nn/layers.ts": 'export const o = import("onnxruntime-node");',
      },
      "package onnxruntime-",
    ],
    [
      "a required package outside of its door",
      { "src/policy/ppo.ts": 'require("ws");' },
      "package ws may only be imported in bridge, dashboard",
    ],
    [
      "a package's subpath outside of its door",
      { "src/policy/ppo.ts": 'import { map } from "rxjs/operators";' },
      "package rxjs",
    ],
    [
      "msgpackr outside of its door",
      { "src/env/vector.ts": 'import { pack } from "msgpackr";' },
      "package msgpackr",
    ],
    [
      "a cycle of types",
      {
        "src/core/errors.ts": 'import type { b } from "./b.ts";',
        "src/core/b.ts": 'import type { a } from "./errors.ts";',
      },
      "cycle: src/core/b.ts, src/core/errors.ts",
    ],
    [
      "a file that imports itself",
      { "src/core/errors.ts": 'import type { b } from "./errors.ts";' },
      "cycle: src/core/errors.ts",
    ],
    [
      "a file of more than 500 lines",
      { "src/core/errors.ts": lines(500, "// line") },
      "501 lines; at most 500",
    ],
    [
      "a test of more than 500 lines",
      { "test/long.test.ts": lines(500, "// line") },
      "501 lines; at most 500",
    ],
    [
      "a function of more than 40 lines",
      { "src/core/errors.ts": `function long() {\n${lines(39, "  // line")}}` },
      ":2: long has 41 lines",
    ],
    [
      "a method of more than 40 lines",
      { "src/core/errors.ts": `class C {\n  #run() {\n${lines(39, "")}}\n}` },
      ":3: run has 41 lines",
    ],
    [
      "an arrow function of more than 40 lines",
      { "bench/speed.ts": `const arrow = () => {\n${lines(39, "")}};` },
      ":2: arrow has 41 lines",
    ],
    [
      "more than four parameters",
      { "src/core/errors.ts": "const f = (a, b, c, d, e = 1) => a;" },
      "f has 5 parameters",
    ],
    [
      "a constructor with more than four parameters",
      { "src/core/errors.ts": "class C { constructor(a, b, c, d, ...e) {} }" },
      "constructor has 5 parameters",
    ],
    ["a default export", { "src/core/errors.ts": "export default 1;" }, ":2: default export"],
    ["a folder called utils", { "src/core/utils/text.ts": "" }, '"utils" says nothing'],
    ["a file called helpers", { "test/helpers.ts": "" }, '"helpers" says nothing'],
    ["a file's name in camel case", { "src/core/ndArray.ts": "" }, "not in kebab case"],
    ["an index beside the public API", { "src/core/index.ts": "" }, "only src has an index"],
  ])("finds %s", (_, changes, problem) => {
    expect(check(changes)).toEqual([expect.stringContaining(problem)]);
  });

  it.each(["", "// @file nothing\n", "import 'x';\n/** @file late */\n", "/** @file */\n"])(
    "finds a file that opens with %j",
    (opening) => {
      const problems = checkArchitecture(new Map([["src/core/a.ts", `${opening}export const a = 1;\n`]]));
      expect(problems).toEqual(["src/core/a.ts: does not open with /** @file … */"]);
    },
  );

  it("takes an executable's first line before the header", () => {
    expect(checkArchitecture(new Map([["src/cli.ts", `#!/usr/bin/env node\n${header}`]]))).toEqual([]);
  });

  it.each([
    [
      "forty lines, four parameters and a typed this",
      { "src/core/errors.ts": `function f(this: void, a, b, c, { d, e }) {\n${lines(38, "")}}` },
    ],
    ["long functions in tests", { "test/a.test.ts": `it("x", () => {\n${lines(60, "")}});` }],
    [
      "everything imported by the registry",
      { "src/experiment/registry.ts": 'import { v } from "../env/vector.ts";' },
    ],
    [
      "everything imported by the command line",
      { "src/cli/run.ts": 'import { v } from "../env/vector.ts";\nimport "commander";' },
    ],
    ["a package whose name begins like a guarded one", { "src/core/errors.ts": 'import "wsx";' }],
    ["tfjs as a test's reference", { "test/engine/kernels.test.ts": 'import "@tensorflow/tfjs-core";' }],
  ])("allows %s", (_, changes) => {
    expect(check(changes)).toEqual([]);
  });
});
