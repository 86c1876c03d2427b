/** @file The architecture rules: a tree of files goes in, sentences about what is wrong with it come out. */

import { posix } from "node:path";
import { doors, layers } from "./layers.ts";
import { readSource } from "./source.ts";
import type { SourceFacts } from "./source.ts";

/** Source text by path from the top level, with forward slashes. */
export type Tree = ReadonlyMap<string, string>;

const maxFileLines = 500;
const maxFunctionLines = 40;
const maxParameters = 4;
const bannedNames = /^(utils?|helpers?|common|misc|shared)$/;
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?$/;

/** The folder of src that a path lies in, "." for a file directly in src, undefined outside of src. */
function folderOf(path: string): string | undefined {
  const parts = path.split("/");
  if (parts[0] !== "src") return undefined;
  return parts.length > 2 ? parts[1] : ".";
}

function targetOf(importer: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? posix.join(posix.dirname(importer), specifier) : undefined;
}

function mayImport(from: string, importer: string, target: string): boolean {
  const to = folderOf(target);
  const allowed = layers[from];
  if (to === from) return true;
  const inside = importer.slice(`src/${from}/`.length);
  if (from === "." || allowed.free?.some((prefix) => inside.startsWith(prefix))) return true;
  if (to === undefined || to === ".") return false;
  return allowed.folders.includes(to) || (allowed.contracts.includes(to) && target === `src/${to}/${to}.ts`);
}

function checkImports(file: SourceFacts, tree: Tree): string[] {
  const problems: string[] = [];
  const from = folderOf(file.path);
  if (from !== undefined && !(from in layers))
    problems.push(`${file.path}: folder src/${from} is not in the house plan`);
  for (const { specifier, line } of file.imports) {
    const where = `${file.path}:${line}`;
    const target = targetOf(file.path, specifier);
    if (target === undefined) problems.push(...checkDoor(where, from, specifier));
    else if (/\.[cm]?[jt]s$/.test(target) && !tree.has(target))
      problems.push(`${where}: no such file: ${target}`);
    else if (from !== undefined && from in layers && !mayImport(from, file.path, target)) {
      problems.push(`${where}: src/${from} may not import ${target}`);
    }
  }
  return problems;
}

function checkDoor(where: string, from: string | undefined, specifier: string): string[] {
  if (from === undefined) return [];
  return Object.entries(doors)
    .filter(([name]) =>
      /[/-]$/.test(name) ? specifier.startsWith(name) : `${specifier}/`.startsWith(`${name}/`),
    )
    .filter(([, folders]) => !folders.includes(from))
    .map(([name, folders]) => `${where}: package ${name} may only be imported in ${folders.join(", ")}`);
}

function checkSizes(file: SourceFacts): string[] {
  const problems: string[] = [];
  if (file.lines > maxFileLines) problems.push(`${file.path}: ${file.lines} lines; at most ${maxFileLines}`);
  if (file.path.startsWith("test/")) return problems;
  for (const { name, line, lines, parameters } of file.functions) {
    const where = `${file.path}:${line}: ${name}`;
    if (lines > maxFunctionLines) problems.push(`${where} has ${lines} lines; at most ${maxFunctionLines}`);
    if (parameters > maxParameters)
      problems.push(`${where} has ${parameters} parameters; at most ${maxParameters}`);
  }
  return problems;
}

function checkForm(file: SourceFacts): string[] {
  const problems: string[] = [];
  if (!/^(#!.*\n)?\/\*\*\s+(?:\* )?@file \S[^]*?\*\//.test(file.text))
    problems.push(`${file.path}: does not open with /** @file … */`);
  for (const line of file.defaultExports) problems.push(`${file.path}:${line}: default export`);
  const folders = file.path.split("/");
  const base = folders.pop()?.replace(/\.[cm]?[jt]s$/, "") ?? "";
  for (const name of [...folders, base])
    if (bannedNames.test(name)) problems.push(`${file.path}: "${name}" says nothing`);
  if (!kebabCase.test(base)) problems.push(`${file.path}: the file's name is not in kebab case`);
  if (base === "index" && file.path !== "src/index.ts") problems.push(`${file.path}: only src has an index`);
  return problems;
}

/** Cycles of imports, types included, each named once by the files on it. */
function findCycles(files: readonly SourceFacts[]): string[] {
  const edges = new Map(
    files.map((file) => [
      file.path,
      file.imports.flatMap(({ specifier }) => targetOf(file.path, specifier) ?? []),
    ]),
  );
  const problems = new Set<string>();
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      problems.add(`cycle: ${trail.slice(at).toSorted().join(", ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  return [...problems];
}

/** Everything in the tree that is against the house plan; empty when nothing is. */
export function checkArchitecture(tree: Tree): string[] {
  const files = [...tree].map(([path, text]) => readSource(path, text));
  const problems = files.flatMap((file) => [
    ...checkImports(file, tree),
    ...checkSizes(file),
    ...checkForm(file),
  ]);
  return [...problems, ...findCycles(files)];
}
