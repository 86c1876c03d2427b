/** @file Reads a YAML config with `extends` and overrides into plain values that remember the file, line and column they came from. */

import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, parse, parseDocument } from "yaml";
import type { Document, Node } from "yaml";
import { fail } from "../../core/errors.ts";

/** Keys from the root to a field; numbers index arrays. */
export type FieldPath = readonly (string | number)[];

/** A tree of plain values plus the place each field was written. */
export interface ConfigSource {
  readonly values: Record<string, unknown>;
  /** Where the field, or its nearest written ancestor, was set: `file:line:col`, or the override's own text. */
  readonly locate: (path: FieldPath) => string;
}

interface Tree {
  values: Record<string, unknown>;
  readonly places: Map<string, string>;
}

/** `policy.layers.0` */
export function dotted(path: FieldPath): string {
  return path.join(".");
}

/** Is `value` a plain mapping (not an array, not null)? */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Read `path`, follow its `extends` (one file or several, relative to the file that says it; later ones win), then
 * apply overrides `a.b=c` whose values are read as YAML. Mappings are merged, everything else is replaced.
 * @throws INVALID_CONFIG with file, line and column; IO_FAILED when a file cannot be read.
 */
export function readConfig(path: string, overrides: readonly string[] = []): ConfigSource {
  const tree = readTree(resolve(path), []);
  for (const override of overrides) applyOverride(tree, override);
  return {
    values: tree.values,
    locate(fieldPath) {
      for (let length = fieldPath.length; length > 0; length--) {
        const place = tree.places.get(dotted(fieldPath.slice(0, length)));
        if (place !== undefined) return place;
      }
      return shown(resolve(path));
    },
  };
}

/** A resolved config as a run's folder holds it, unchecked. @throws INVALID_CONFIG, IO_FAILED */
export function readPlainConfig(path: string): Record<string, unknown> {
  return readDocument(path).values;
}

function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function readTree(path: string, chain: readonly string[]): Tree {
  if (chain.includes(path)) {
    fail({
      code: "INVALID_CONFIG",
      what: `${shown(path)}: a config extends itself`,
      got: [...chain, path].map(shown).join(" -> "),
      fix: "break the circle of extends",
    });
  }
  const own = readDocument(path, chain.at(-1));
  const merged: Tree = { values: {}, places: new Map() };
  for (const base of takeExtends(own, path)) mergeInto(merged, readTree(base, [...chain, path]));
  mergeInto(merged, own);
  return merged;
}

function readText(path: string, from?: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    return fail({
      code: "IO_FAILED",
      what: `cannot read config ${shown(path)}${from === undefined ? "" : ` (extended by ${shown(from)})`}`,
      got: (cause as Error).message,
      fix: "check the path; extends is relative to the file that says it",
      cause,
    });
  }
}

function readDocument(path: string, from?: string): Tree {
  const lines = new LineCounter();
  const document = parseDocument(readText(path, from), {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
  });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${shown(path)}:${line}:${col}`;
  };
  const [problem] = document.errors;
  if (problem !== undefined) {
    fail({
      code: "INVALID_CONFIG",
      what: `${at(problem.pos[0])}: ${problem.message}`,
      fix: "correct the YAML",
    });
  }
  const values: unknown = document.toJS() ?? {};
  if (!isRecord(values)) {
    fail({
      code: "INVALID_CONFIG",
      what: `${shown(path)}: a config is a mapping of fields`,
      got: kindOf(values),
      fix: "start the file with `experiment: <name>`",
    });
  }
  const places = new Map<string, string>();
  notePlaces(document.contents, [], { document, at, places });
  return { values, places };
}

interface Notes {
  readonly document: Document;
  readonly at: (offset: number) => string;
  readonly places: Map<string, string>;
}

function notePlaces(node: unknown, path: FieldPath, notes: Notes): void {
  if (isMap(node)) {
    for (const pair of node.items) {
      if (!isScalar(pair.key)) continue;
      const inner = [...path, String(pair.key.value)];
      notes.places.set(dotted(inner), notes.at(pair.key.range?.[0] ?? 0));
      notePlaces(pair.value, inner, notes);
    }
  } else if (isSeq(node)) {
    node.items.forEach((item, index) => {
      const start = (item as Node).range?.[0];
      if (start !== undefined) notes.places.set(dotted([...path, index]), notes.at(start));
      notePlaces(item, [...path, index], notes);
    });
  }
}

function takeExtends(tree: Tree, path: string): string[] {
  const value = tree.values.extends;
  delete tree.values.extends;
  if (value === undefined) return [];
  const bases = Array.isArray(value) ? value : [value];
  return bases.map((base: unknown) =>
    typeof base === "string"
      ? resolve(dirname(path), base)
      : fail({
          code: "INVALID_CONFIG",
          what: `${tree.places.get("extends") ?? shown(path)}: extends names files`,
          expected: "a path, or a list of paths, relative to this file",
          got: kindOf(base),
        }),
  );
}

function mergeInto(target: Tree, source: Tree): void {
  const replaced: string[] = [];
  target.values = merge(target.values, source.values, [], replaced);
  for (const place of target.places.keys()) {
    if (replaced.some((prefix) => place === prefix || place.startsWith(`${prefix}.`)))
      target.places.delete(place);
  }
  for (const [path, place] of source.places) target.places.set(path, place);
}

function merge(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
  path: FieldPath,
  replaced: string[],
): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = result[key];
    if (isRecord(old) && isRecord(value)) {
      result[key] = merge(old, value, [...path, key], replaced);
    } else {
      if (key in result) replaced.push(dotted([...path, key]));
      result[key] = value;
    }
  }
  return result;
}

function applyOverride(tree: Tree, text: string): void {
  const match = /^([\w-]+(?:\.[\w-]+)*)=(.*)$/s.exec(text);
  if (match === null || match[1].split(".").includes("__proto__")) {
    fail({
      code: "INVALID_CONFIG",
      what: `override "${text}" is not of the form a.b=value`,
      expected: "a dotted field, an equals sign and a YAML value, as in policy.horizon=20",
      got: text,
    });
  }
  const path = match[1].split(".");
  const value = overrideValue(match[2], text);
  const container = containerOf(tree.values, path, text);
  container[path[path.length - 1]] = value;
  for (const place of tree.places.keys()) {
    if (place.startsWith(`${match[1]}.`)) tree.places.delete(place);
  }
  tree.places.set(match[1], `override "${text}"`);
}

function overrideValue(yaml: string, text: string): unknown {
  try {
    return parse(yaml);
  } catch (cause) {
    return fail({
      code: "INVALID_CONFIG",
      what: `override "${text}": its value is not YAML`,
      got: (cause as Error).message.split("\n")[0],
      fix: 'quote it, as in name="a: b"',
      cause,
    });
  }
}

function containerOf(
  root: Record<string, unknown>,
  path: readonly string[],
  text: string,
): Record<string, unknown> {
  let node: Record<string, unknown> = root;
  for (let depth = 0; depth < path.length - 1; depth++) {
    const next = node[path[depth]] ?? {};
    if (typeof next !== "object") {
      fail({
        code: "INVALID_CONFIG",
        what: `override "${text}" reaches into ${dotted(path.slice(0, depth + 1))}, which is not a mapping`,
        expected: "a mapping",
        got: kindOf(next),
      });
    }
    node[path[depth]] = next;
    node = next as Record<string, unknown>;
  }
  return node;
}

/** A value as an error message shows it: its kind and, when short, itself. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a mapping";
  const text = JSON.stringify(value);
  return `${typeof value} ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`;
}
